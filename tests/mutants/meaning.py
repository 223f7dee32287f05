"""What a source means to the interpreter: without what only people read."""

from __future__ import annotations

import ast
from typing import Final

__all__ = ["meaning", "outside"]

_TOLD: Final = ("_log", "warnings", "logging")
_OPPOSITE: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


def meaning(code: str) -> str:
    """Equal for sources that differ in texts for people alone, or come to the same."""
    return ast.dump(_Bare().visit(ast.parse(code)))


def outside(code: str) -> str:
    """What stands outside the bodies of functions: their defaults, say."""
    return ast.dump(_Outside().visit(ast.parse(code)))


class _Bare(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.AnnAssign():
                node.annotation = ast.Constant(0)
            case ast.Call(func=ast.Name(id="cast"), args=[_, value]):
                return value
            case ast.Expr(value=ast.Constant()):
                node.value = ast.Constant(0)
            case ast.UnaryOp(op=ast.Not(), operand=ast.UnaryOp(op=ast.Not(), operand=condition)):
                return condition
            case ast.UnaryOp(op=ast.Not(), operand=ast.Compare(ops=[op]) as compared):
                compared.ops = [_OPPOSITE.get(type(op), lambda: op)()]
                return compared if type(op) in _OPPOSITE else node
            case ast.Raise(exc=ast.Call() as call):
                _without_text(call)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name))) if name in _TOLD:
                _without_text(node)
        return node


def _without_text(call: ast.Call) -> None:
    match call.args:
        case [ast.Constant() | ast.JoinedStr() | ast.BinOp(), *_]:
            call.args[0] = ast.Constant(0)


class _Outside(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = []
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.body = []
        return node
