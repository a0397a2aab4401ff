// A signed product of LUTs and carry chains, for routers that get DSP blocks wrong: one row for two
// bits of the narrower factor (Booth, radix 4), one LUT6 for each bit of a row.
//
// Row k adds d * A to what is left of the rows before, d = -2 b[2k+1] + b[2k] + b[2k-1], and two bits
// of the product are done. |d * A| <= 2^n for A of n bits, and what is left stays below 2^n / 3, so a
// row has n + 2 bits. Minus is complement and one; the one comes in as the chain's first carry
// (carry_in.v, where that is allowed).
(* techmap_celltype = "$mul" *)
module mul_lut (A, B, Y);
    parameter A_SIGNED = 1;
    parameter B_SIGNED = 1;
    parameter A_WIDTH = 1;
    parameter B_WIDTH = 1;
    parameter Y_WIDTH = 1;

    (* force_downto *) input [A_WIDTH - 1:0] A;
    (* force_downto *) input [B_WIDTH - 1:0] B;
    (* force_downto *) output [Y_WIDTH - 1:0] Y;

    wire _TECHMAP_FAIL_ = !A_SIGNED || !B_SIGNED || A_WIDTH < 2 || B_WIDTH < 2;

    localparam SWAP = A_WIDTH < B_WIDTH;
    localparam N = SWAP ? B_WIDTH : A_WIDTH;
    localparam M = SWAP ? A_WIDTH : B_WIDTH;
    localparam ROWS = (M + 1) / 2;
    localparam W = N + 2;
    wire signed [N - 1:0] a = SWAP ? B : A;
    wire signed [M - 1:0] b = SWAP ? A : B;
    wire signed [2 * ROWS - 1:0] wide_b = b;
    wire [2 * ROWS:0] bits = {wide_b, 1'b0};
    wire signed [W - 1:0] once = a;
    wire signed [W - 1:0] twice = once << 1;

    wire signed [2 * ROWS + N - 1:0] product;
    wire signed [Y_WIDTH - 1:0] cut = product;
    assign Y = cut;

    genvar k;
    generate for (k = 0; k < ROWS; k = k + 1) begin:row
        wire signed [N - 1:0] left;
        wire [2:0] d = bits[2 * k +: 3];
        wire one = d[1] ^ d[0], two = d == 3'b100 || d == 3'b011, minus = d[2];
        wire [W - 1:0] term = ({W{one}} & once | {W{two}} & twice) ^ {W{minus}};
        wire signed [W - 1:0] rest = left;
        wire [W:0] sum;
        wire [W:0] unused_x, unused_co;
        \$alu #(
            .A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(W + 1), .B_WIDTH(W + 1), .Y_WIDTH(W + 1)
        ) chain (
            .A({rest, minus}), .B({term, minus}), .CI(1'b0), .BI(1'b0),
            .X(unused_x), .Y(sum), .CO(unused_co)
        );
        if (k == 0) assign left = 0;
        else assign left = row[k - 1].sum[W:3];
        if (k == ROWS - 1) assign product[2 * k +: W] = sum[W:1];
        else assign product[2 * k +: 2] = sum[2:1];
    end endgenerate
endmodule
