"""The picture of docs/architecture.md, drawn from the imports of the package: docs/images/architecture.svg.

python docs/architecture.py
"""

import ast
from collections.abc import Iterator
from html import escape
from pathlib import Path
from textwrap import shorten

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "genomask"
ROOMS = [
    "auto_classes", "errors", "types", "machine", "settings", "terminal", "hashing", "files", "data", "masking",
    "encoders", "training", "inference", "fewshot", "report", "recipe", "commands", "cli",
]  # fmt: skip
"""In the order of the arrow: each imports only from those before it."""
CELL, TOP, LEFT, MARGIN = 26, 96, 596, 12
"""Pixels."""


def room_of(module: str) -> str:
    """The room of a dotted module name: genomask.data.fasta -> data; genomask itself -> __init__."""
    return module.split(".")[1] if "." in module else "__init__"


def module_of(path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(tree: ast.AST, path: Path) -> Iterator[str]:
    """Every module of this package that the file names in an import, also inside functions, relative ones resolved."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (above, node.module) if part)
            names = [f"{source}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "genomask")


def imports() -> set[tuple[str, str]]:
    """(room, other room that it imports from) for all files."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        room = room_of(module_of(path))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found |= {(room, room_of(name)) for name in imported_modules(tree, path)}
    return {(room, other) for room, other in found if room != other and {room, other} <= set(ROOMS)}


def purpose(room: str) -> str:
    """The first line of the room's docstring, cut where it is long."""
    folder = PACKAGE / room
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return escape(shorten(said.splitlines()[0].rstrip("."), 82, placeholder=" ..."))


def picture() -> str:
    """An SVG: rooms from first to last, and a dot wherever a row imports from a column."""
    size = CELL * len(ROOMS)
    width, height = LEFT + size + MARGIN, TOP + size + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for n, room in enumerate(ROOMS):
        x, y = LEFT + CELL * n, TOP + CELL * n
        parts += [
            f'<rect x="{MARGIN}" y="{y}" width="{LEFT + size - MARGIN}" height="{CELL}" '
            f'fill="{"#f4f6f8" if n % 2 == 0 else "#ffffff"}"/>',
            f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="#d5dbe1"/>',
            f'<text x="{MARGIN + 92}" y="{y + 17}" font-size="13" font-weight="bold" text-anchor="end" '
            f'fill="#1a202c">{room}</text>',
            f'<text x="{MARGIN + 102}" y="{y + 17}" font-size="10.5" fill="#4a5568">{purpose(room)}</text>',
            f'<text transform="translate({x + 17} {TOP - 8}) rotate(-60)" font-size="12" fill="#1a202c">{room}</text>',
        ]
    for room, other in sorted(imports()):
        x, y = LEFT + CELL * (ROOMS.index(other) + 0.5), TOP + CELL * (ROOMS.index(room) + 0.5)
        title = f"<title>{room} imports {other}</title>"
        parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="6" fill="#2b6cb0">{title}</circle>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    (HERE / "images" / "architecture.svg").write_text(picture(), encoding="utf-8")
