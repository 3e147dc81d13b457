"""The pages of the reference: which names stand on which page, and where each is defined. The code is read, not run."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "culpa"
BY_FILE = ("culpa.papers", "culpa.rollouts.readers", "culpa.report.page")  # a file says what it is; its parts do not


def api_pages() -> dict[str, str]:
    """File name -> page of the reference: `culpa` itself, then each storey from the ground up, and what is in it."""
    pages = {"api/culpa.md": page("culpa")}
    for storey in storeys():
        for init in sorted((PACKAGE / storey).rglob("__init__.py")):
            name = ".".join(("culpa", *init.parent.relative_to(PACKAGE).parts))
            pages[f"api/{name.removeprefix('culpa.')}.md"] = page(name)
    return pages


def storeys() -> list[str]:
    """Packages of the library from the ground up, in the order that imports are held to; the verbs have their own."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    names = [layer.removeprefix("culpa.") for layer in reversed(rules[0]["layers"])]
    return [name for name in names if (PACKAGE / name).is_dir() and name != "cli"]


def page(package: str) -> str:
    """One page: the public list where the package has one, else its modules one by one."""
    parts = [f"# {package}", *_directive(package, "members: false")]
    public = [] if package in BY_FILE else names(package)
    shown = [name for name in public if _says(home(package, name))]
    for name in shown:
        head = ["heading_level: 2", "show_root_heading: true", "show_root_toc_entry: true"]
        parts += _directive(home(package, name), *head)
    for path in [] if public else sorted(_file(package).parent.glob("[a-z]*.py")):
        module = f"{package}.{path.stem}"
        members = "false" if package in BY_FILE else f"[{', '.join(defined(module))}]"
        parts += ["", f"## {path.stem}", *_directive(module, f"members: {members}", "heading_level: 3")]
    beside = [f"`{name}`" for name in public if name not in shown]
    parts += ["", "## Values and types", "", f"{', '.join(beside)}."] if beside else []
    return "\n".join([*parts, ""])


def names(package: str) -> list[str]:
    """The public list of a package, `__all__`, without its version.

    >>> names("culpa.probing")
    ['Report', 'Settings', 'check', 'parse_target']
    """
    for node in _tree(package).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [name for name in ast.literal_eval(node.value) if not name.startswith("__")]
    return []


def home(package: str, name: str) -> str:
    """Where a name of a package is defined: a function may be called as the module that it is in.

    >>> home("culpa", "read"), home("culpa", "audit")
    ('culpa.rollouts.read.read', 'culpa.audit.run.audit')
    """
    for node in ast.walk(_tree(package)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("culpa."):
            for one in node.names:
                if (one.asname or one.name) == name:
                    return home(node.module, one.name)
    return f"{package}.{name}"


def defined(module: str) -> list[str]:
    """Public functions and classes of a module that say what they are, in their order.

    >>> defined("culpa.metrics.chance")
    ['noise_harm_aware_accuracy', 'shuffled_accuracy']
    """
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [node for node in _tree(module).body if isinstance(node, kinds) and ast.get_docstring(node)]
    return list(dict.fromkeys(node.name for node in found if not node.name.startswith("_")))


def _says(path: str) -> bool:
    """Whether a name is a function or a class with a docstring: other values and types have none of their own."""
    module, _, name = path.rpartition(".")
    return name in defined(module)


def _directive(name: str, *options: str) -> list[str]:
    return ["", f"::: {name}", "    options:", *(f"      {option}" for option in options)]


def _tree(module: str) -> ast.Module:
    return ast.parse(_file(module).read_text(encoding="utf-8"))


def _file(module: str) -> Path:
    path = ROOT / "src" / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
