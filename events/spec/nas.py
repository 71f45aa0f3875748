"""The search space of a neural architecture search: a graph and its operations."""

from typing import Annotated

from events.model import Int32, Many, SpecPart, Text
from events.spec.space import Parameter


class GraphConfig(SpecPart):
    num_layers: Int32 | None = None
    input_sizes: Annotated[tuple[Int32, ...], Many] = ()
    output_sizes: Annotated[tuple[Int32, ...], Many] = ()


class Operation(SpecPart):
    operation_type: Text
    parameters: Annotated[tuple[Parameter, ...], Many] = ()


class NasConfig(SpecPart):
    graph_config: GraphConfig = GraphConfig()
    operations: Annotated[tuple[Operation, ...], Many] = ()
