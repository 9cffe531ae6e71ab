"Stubs for the modules that add methods to their classes with @patch, which type checkers and editors do not see; setup.py puts them into the wheel"

import ast
from pathlib import Path


def is_patch(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and any("patch" in ast.unparse(d) for d in node.decorator_list)


def as_method(node: ast.FunctionDef) -> ast.FunctionDef:
    "Write a patch as it would stand in its class"
    how, *others = sorted(node.decorator_list, key=lambda d: "patch" not in ast.unparse(d))
    kinds = {"as_prop": "property", "cls_method": "classmethod"}
    own = [ast.Name(kind) for option, kind in kinds.items() if option in ast.unparse(how)]
    node.decorator_list = own + others
    (node.args.posonlyargs + node.args.args)[0].annotation = None
    return node


def without_bodies(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            doc = [node.body[0]] if ast.get_docstring(node) else []
            node.body = [*doc, ast.Expr(ast.Constant(...))]
    return tree


def stub(source: str) -> str | None:
    "Return a module's declarations with its patches inside their classes; None if it has none"
    tree = ast.parse(source)
    patches, classes = (
        [n for n in tree.body if is_patch(n)],
        {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)},
    )
    for node in patches:
        owner = classes.get(ast.unparse((node.args.posonlyargs + node.args.args)[0].annotation))
        tree.body.remove(node)
        if owner:
            owner.body.append(as_method(node))
    return f"{ast.unparse(ast.fix_missing_locations(without_bodies(tree)))}\n" if patches else None


def write_stubs(package: Path):
    "Write a stub beside each such module of a package"
    for path in package.rglob("*.py"):
        if text := stub(path.read_text(encoding="utf-8")):
            path.with_suffix(".pyi").write_text(text, encoding="utf-8")
