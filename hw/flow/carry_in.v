// A sum {a, c} + {b, c} is a + b + c above its lowest bit: the chain's carry in does it in one bit
// less, which on 7-series is a LUT less, for the lowest one could do nothing but let c through.
(* techmap_celltype = "$alu" *)
module carry_in (A, B, CI, BI, X, Y, CO);
    parameter A_SIGNED = 0;
    parameter B_SIGNED = 0;
    parameter A_WIDTH = 1;
    parameter B_WIDTH = 1;
    parameter Y_WIDTH = 1;
    parameter _TECHMAP_BITS_CONNMAP_ = 1;
    parameter [A_WIDTH * _TECHMAP_BITS_CONNMAP_ - 1:0] _TECHMAP_CONNMAP_A_ = 0;
    parameter [B_WIDTH * _TECHMAP_BITS_CONNMAP_ - 1:0] _TECHMAP_CONNMAP_B_ = 0;
    parameter [A_WIDTH - 1:0] _TECHMAP_CONSTMSK_A_ = 0;
    parameter _TECHMAP_CONSTMSK_CI_ = 0;
    parameter _TECHMAP_CONSTVAL_CI_ = 0;
    parameter _TECHMAP_CONSTMSK_BI_ = 0;
    parameter _TECHMAP_CONSTVAL_BI_ = 0;

    (* force_downto *) input [A_WIDTH - 1:0] A;
    (* force_downto *) input [B_WIDTH - 1:0] B;
    input CI, BI;
    (* force_downto *) output [Y_WIDTH - 1:0] X, Y, CO;

    localparam SAME = _TECHMAP_CONNMAP_A_[_TECHMAP_BITS_CONNMAP_ - 1:0]
        == _TECHMAP_CONNMAP_B_[_TECHMAP_BITS_CONNMAP_ - 1:0];
    localparam PLAIN = _TECHMAP_CONSTMSK_CI_ && !_TECHMAP_CONSTVAL_CI_
        && _TECHMAP_CONSTMSK_BI_ && !_TECHMAP_CONSTVAL_BI_;
    localparam FITS = A_WIDTH > 1 && B_WIDTH > 1 && Y_WIDTH > 1 && SAME && PLAIN
        && !_TECHMAP_CONSTMSK_A_[0];
    wire _TECHMAP_FAIL_ = !FITS;

    generate if (FITS) begin
        assign X[0] = 1'b0;
        assign Y[0] = 1'b0;
        assign CO[0] = A[0];
        \$alu #(
            .A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED),
            .A_WIDTH(A_WIDTH - 1), .B_WIDTH(B_WIDTH - 1), .Y_WIDTH(Y_WIDTH - 1)
        ) chain (
            .A(A[A_WIDTH - 1:1]), .B(B[B_WIDTH - 1:1]), .CI(A[0]), .BI(1'b0),
            .X(X[Y_WIDTH - 1:1]), .Y(Y[Y_WIDTH - 1:1]), .CO(CO[Y_WIDTH - 1:1])
        );
    end endgenerate
endmodule
