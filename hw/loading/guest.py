"""Networks for an engine that was built for another one: compiled for its circuit, or refused."""

from dataclasses import replace

from hw.compiler import check_sizes, needed_sizes
from hw.descriptor import descriptor_words
from hw.engine_program import MemoryImages, Program
from hw.layer_plans import layer_plans
from hw.loading.demands import check_network, check_plans
from hw.maps.places import place_maps
from hw.memory_images import memory_images, with_counted_head, with_serial_head
from hw.supported import check_supported
from model.errors import UserError
from model.network import Network

__all__ = ["compile_for", "made_loadable"]


def made_loadable(program: Program) -> Program:
    """The program of the same engine with memories that can be written.

    Raises UserError for an engine that cannot be loaded.
    """
    if program.index_port or program.network.stem:
        raise UserError(
            "a network with a stem, or an engine with an index port, cannot be made loadable: "
            "only an engine that holds all of its network can"
        )
    loadable = replace(program, loadable=True)
    images = replace(program.images, descriptors=descriptor_words(loadable))
    return replace(loadable, images=images)


def compile_for(network: Network, circuit: Program) -> Program:
    """Compile a network for the loadable engine of another one.

    Raises UserError, which names what the engine lacks, where the network does not fit.
    """
    check_supported(network)
    check_network(network, circuit)
    parameters = circuit.parameters
    places = place_maps(network, parameters.pixels)
    plans = layer_plans(
        network, parameters, circuit.timing, circuit.geometries, places, circuit.stream_shape
    )
    needed = needed_sizes(network, plans, parameters, places)
    check_sizes(needed, circuit.sizes)
    images = memory_images(network, parameters, circuit.sizes.sum_bits, circuit.stream_shape)
    if circuit.serial_head:
        images = with_serial_head(images, network.head, circuit.serial_head)
    else:
        images = with_counted_head(
            images,
            network.head,
            circuit.head_units,
            circuit.network.head.channels,
            circuit.score_bits,
        )
    program = replace(circuit, network=network, plans=plans, images=images, circuit=circuit)
    check_plans(program, circuit)
    images = replace(images, descriptors=descriptor_words(program))
    return replace(program, images=_filled(images, circuit.images))


def _filled(images: MemoryImages, depths: MemoryImages) -> MemoryImages:
    """Every memory filled up with zeros to the depth that the engine's has."""
    return MemoryImages(
        **{
            name: words + (0,) * (len(getattr(depths, name)) - len(words))
            for name, words in vars(images).items()
        }
    )
