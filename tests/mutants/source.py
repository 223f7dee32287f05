"""The mutants of a module: each its source with one small change, in an order that never changes.

Left out are changes that the interpreter does not see or only people do: of annotations,
docstrings, `__all__`, `__slots__`, `cast`, what stands under `TYPE_CHECKING`, and the text of
errors, warnings and the log; and those of the arguments of `len` and `isinstance`, as mutmut does.
Changes that come to the same are one.
"""

from __future__ import annotations

import ast
import difflib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import libcst as cst
from libcst import matchers as m
from tests.mutants.meaning import meaning, outside
from tests.mutants.operators import changes_of

__all__ = ["Mutant", "mutants"]

_UNSEEN = (
    m.Annotation()
    | m.Decorator()
    | m.Import()
    | m.ImportFrom()
    | m.If(test=m.Name("TYPE_CHECKING"))
    | m.AnnAssign(annotation=m.Annotation(m.Name("TypeAlias")))
    | m.Assign(targets=[m.AssignTarget(m.Name("__all__") | m.Name("__slots__"))])
    | m.Assign(value=m.Call(func=m.Name("TypeVar") | m.Name("ParamSpec")))
    | m.Call(func=m.Name("len") | m.Name("isinstance"))
)


@dataclass(frozen=True)
class Mutant:
    """A changed module.

    Attributes:
        key: function, line and changed line; it outlives changes elsewhere in the module.
        whole: whether the change shows when the module is imported, not in a function's code.
    """

    key: str
    whole: bool
    _module: cst.Module
    _node: cst.CSTNode
    _changed: cst.CSTNode

    @property
    def code(self) -> str:
        """The source of the whole module."""
        return self._module.deep_replace(self._node, self._changed).code  # type: ignore[arg-type]


@cache
def mutants(module: str) -> tuple[Mutant, ...]:
    """All mutants of a module of the core, in the order of its source."""
    spec = find_spec(f"busway.{module}")
    assert spec is not None
    tree = cst.parse_module(Path(spec.origin or "").read_text(encoding="utf-8"))
    changes = _Changes(tree)
    tree.visit(changes)
    keys: Counter[str] = Counter()
    found = []
    for where, scope, node, changed in changes.found:
        told = _difference(tree, changes.seen, scope, scope.deep_replace(node, changed))
        if told is not None:
            key = f"{module}{where}: {told[0]}"
            keys[key] += 1
            key += f" #{keys[key]}" if keys[key] > 1 else ""
            found.append(Mutant(key, told[1], tree, node, changed))
    return tuple(found)


def _difference(
    tree: cst.Module, seen: dict[cst.CSTNode, set[str]], scope: cst.CSTNode, changed: object
) -> tuple[str, bool] | None:
    """Which lines change and whether that shows at import; None if it is nothing new."""
    assert isinstance(changed, cst.CSTNode)
    before, after = tree.code_for_node(scope), tree.code_for_node(changed)
    known = seen.setdefault(scope, {meaning(before)})
    try:
        compile(after, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return None
    if meaning(after) in known:
        return None
    known.add(meaning(after))
    lines = [*difflib.ndiff(_lines(before), _lines(after))]
    old = " ".join(line[2:].strip() for line in lines if line.startswith("- "))
    new = " ".join(line[2:].strip() for line in lines if line.startswith("+ "))
    whole = not isinstance(scope, cst.FunctionDef) or outside(before) != outside(after)
    return f"{old} -> {new}", whole


def _lines(code: str) -> list[str]:
    """One a statement, or its head, and no comments."""
    return ast.unparse(ast.parse(code)).splitlines()


class _Changes(cst.CSTVisitor):
    """Collects what the operators make of each node, and the function it is in."""

    def __init__(self, tree: cst.Module) -> None:
        self.found: list[tuple[str, cst.CSTNode, cst.CSTNode, cst.CSTNode]] = []
        self.seen: dict[cst.CSTNode, set[str]] = {}
        self._scopes: list[cst.CSTNode] = [tree]
        self._names: list[str] = [""]

    def on_visit(self, node: cst.CSTNode) -> bool:
        if m.matches(node, _UNSEEN):
            return False
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._names.append(f"{self._names[-1]}.{node.name.value}")
            outer = self._scopes[-1]
            self._scopes.append(outer if isinstance(outer, cst.FunctionDef) else node)
        for changed in changes_of(node):
            self.found.append((self._names[-1], self._scopes[-1], node, changed))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._names.pop()
            self._scopes.pop()
