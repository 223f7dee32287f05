"""What is made of each node of a source: mutmut's operators, and three more.

The three: a call or a `raise` that stands alone is left out, a condition is turned round, and what
is returned is None. Mutmut's are named one by one: one that a later version adds makes no mutants
of which nobody knows whether they are harmless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import libcst as cst
from mutmut.mutation import mutators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Operator = Callable[[cst.CSTNode], Iterable[cst.CSTNode]]

__all__ = ["changes_of"]

_OPERATORS: Final[tuple[tuple[type[cst.CSTNode], Operator], ...]] = (
    (cst.BaseNumber, mutators.operator_number),
    (cst.BaseString, mutators.operator_string),
    (cst.Name, mutators.operator_name),
    (cst.Assign, mutators.operator_assignment),
    (cst.AnnAssign, mutators.operator_assignment),
    (cst.AugAssign, mutators.operator_augmented_assignment),
    (cst.UnaryOperation, mutators.operator_remove_unary_ops),
    (cst.Call, mutators.operator_dict_arguments),
    (cst.Call, mutators.operator_arg_removal),
    (cst.Call, mutators.operator_symmetric_string_methods_swap),
    (cst.Call, mutators.operator_unsymmetrical_string_methods_swap),
    (cst.Lambda, mutators.operator_lambda),
    (cst.CSTNode, mutators.operator_keywords),
    (cst.CSTNode, mutators.operator_swap_op),
    (cst.Match, mutators.operator_match),
    (cst.IfExp, mutators.operator_if_exp),
)


def changes_of(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What may stand in the place of a node."""
    for kind, operator in _OPERATORS:
        if isinstance(node, kind):
            yield from operator(node)
    match node:
        case cst.Expr(value=cst.Call() | cst.Await()) | cst.Raise():
            yield cst.Pass()
        case cst.If() | cst.While():
            test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
            yield node.with_changes(test=cst.UnaryOperation(cst.Not(), test))
        case cst.Return(value=value) if value is not None:
            yield cst.Return(cst.Name("None"))
