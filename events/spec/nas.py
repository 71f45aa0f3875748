"""The search space of a neural architecture search: a graph and its operations."""

from events.model import SpecPart
from events.spec.space import Parameter


class GraphConfig(SpecPart):
    num_layers: int | None = None
    input_sizes: tuple[int, ...] = ()
    output_sizes: tuple[int, ...] = ()


class Operation(SpecPart):
    operation_type: str
    parameters: tuple[Parameter, ...] = ()


class NasConfig(SpecPart):
    graph_config: GraphConfig = GraphConfig()
    operations: tuple[Operation, ...] = ()
