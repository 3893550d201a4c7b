"""The rules that keep the code small, layered and documented: sources in, violations out.

A plain module, so that test_rules.py can feed every rule the real sources and planted ones.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

SEEDED = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64", "Philox"}
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
# What the rooms that read a training step may import of ours, besides themselves.
READERS = {
    "trace": {"core", "formulas"},
    "chain": {"core", "formulas", "trace"},
    "proof": {"formulas"},
    "writing": {"core", "formulas", "trace", "chain"},
    "gradcheck": {"core", "writing"},
    "diagnosing": {"core", "writing"},
}
# Who may import the rooms that only users start, besides themselves.
STARTED = {
    "cli": {"__main__"},
    "lab": {"cli", "chain"},  # `Session.show`
    "cluster": {"cli"},
}
LEAVES = 3
Function = ast.FunctionDef | ast.AsyncFunctionDef
Sources = dict[str, str]
"""Module name -> source text; a package goes by the name `chainrule.core.__init__`."""


@cache
def parse(source: str) -> ast.Module:
    """The syntax tree of a source, made once."""
    return ast.parse(source)


def read_sources(folder: Path) -> Sources:
    return {
        ".".join(file.relative_to(folder).with_suffix("").parts): file.read_text(encoding="utf-8")
        for file in sorted(folder.rglob("*.py"))
    }


class Import(NamedTuple):
    module: str  # what it imports, absolute; for `from a import b` both a and a.b
    where: str  # "module", "function" or "typing" (under `if TYPE_CHECKING`)


def imports(module: str, source: str) -> Iterator[Import]:
    def visit(node: ast.AST, where: str) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, where) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            base = parts[: len(parts) - node.level] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield Import(origin, where)
            yield from (Import(f"{origin}.{alias.name}", where) for alias in node.names)
        elif isinstance(node, Function):
            where = "function"
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            where = "typing" if where == "module" else where
        for child in ast.iter_child_nodes(node):
            yield from visit(child, where)

    yield from visit(parse(source), "module")


def inside(module: str, *rooms: str) -> bool:
    return any(f"{module}.".startswith(f"chainrule.{room}.") for room in rooms)


def kind(module: str) -> str:
    """What a module of core is about, by its file's name: layer, loss, optimizer or other."""
    if not module.startswith("chainrule.core."):
        return "other"
    name = module.split(".")[2]
    kinds = {"layer": "layer", "activation": "layer", "initializer": "layer", "network": "network"}
    kinds |= {"loss": "loss", "optimizer": "optimizer"}
    return next((kinds[word] for word in kinds if word in name), "other")


def ban(module: str, seen: Import) -> str | None:
    """The rule that `module` breaks by importing `seen`, if any."""
    target, room = seen.module, target_room(seen.module)
    ours, mine = room is not None, target_room(module)
    here, there = kind(module), kind(target)
    if mine == "core" and ours and room != "core":
        return "core imports nothing of ours outside core"
    if mine == "core" and not ours and root(target) not in {"numpy", *sys.stdlib_module_names}:
        return "core imports numpy and the standard library only"
    if mine == "tables" and ours and room != "tables":
        return "tables imports nothing of ours outside tables"
    if here == "layer" and there in {"loss", "optimizer"}:
        return "a layer knows no loss and no optimizer"
    if here == "optimizer" and there in {"layer", "network", "loss"}:
        return "an optimizer knows no layer, network or loss"
    if mine in {"proof", "formulas"} and root(target) == "numpy":
        return "the proof recomputes without numpy"
    if room in STARTED:
        allowed = {room, *STARTED[room]}
        return None if mine in allowed else f"only {', '.join(sorted(allowed))} may import {room}"
    if mine in READERS and ours and room not in {mine, "renamed", *READERS[mine]}:
        return f"{mine} imports {', '.join(sorted(READERS[mine]))} and itself only"
    if room == "compiled" and not inside(module, "compiled", "training.engines"):
        return "only engines chooses an engine"
    if root(target) == "sklearn" and seen.where == "module" and mine != "estimators":
        return "only estimators imports scikit-learn at module level"
    return None


def root(module: str) -> str:
    return module.split(".")[0]


def target_room(module: str) -> str | None:
    """The second part of one of our modules' names ("" for the package itself), else None."""
    parts = [*module.split("."), ""]
    return parts[1] if parts[0] == "chainrule" else None


def banned_imports(sources: Sources) -> set[str]:
    return {
        f"{module}: {rule} (imports {seen.module})"
        for module, source in sources.items()
        for seen in imports(module, source)
        if (rule := ban(module, seen))
    }


def circles(sources: Sources) -> set[str]:
    """Groups of modules that import each other, in functions and for typing too."""
    graph = {
        module: {seen.module for seen in imports(module, source)} & set(sources) - {module}
        for module, source in sources.items()
        if not module.endswith("__init__")
    }
    reached = {module: _reached(graph, module) for module in graph}
    groups = {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in graph
        if module in reached[module]
    }
    return {" and ".join(sorted(group)) for group in groups}


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    found, left = set[str](), [start]
    while left:
        fresh = graph.get(left.pop(), set()) & set(graph) - found
        found |= fresh
        left += fresh
    return found


def loose_modules(sources: Sources) -> set[str]:
    """What stands in the package's root, where it is no leaf or there are too many."""
    roots = {
        module: source for module, source in sources.items()
        if module.count(".") == 1 and not module.endswith("__")
    }  # fmt: skip
    leafless = {
        f"{module} is no leaf: it imports {seen.module}"
        for module, source in roots.items()
        for seen in imports(module, source)
        if target_room(seen.module) is not None
    }
    many = (
        {f"{len(roots)} modules in the root: {', '.join(roots)}"} if len(roots) > LEAVES else set()
    )
    return leafless | many


def named_like_functions(sources: Sources, public: set[str]) -> set[str]:
    """Packages with the name of a public function: importing one would take its place."""
    packages = {module.split(".")[1] for module in sources if module.count(".") > 1}
    return packages & public


def mentioned(source: str) -> set[str]:
    """Every name in a source, those in strings of one word too; not what docstrings say."""
    names: set[str] = set()
    for node in ast.walk(parse(source)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.alias(name=name):
                names.add(name.rpartition(".")[2])
            case ast.Constant(value=str(text)) if text.isidentifier():
                names.add(text)
    return names


def docstring_lines(node: ast.AST) -> set[int]:
    """The line numbers of every docstring at or below `node`."""
    lines: set[int] = set()
    for owner in ast.walk(node):
        if isinstance(owner, ast.Module | ast.ClassDef | Function) and ast.get_docstring(owner):
            first = owner.body[0]
            lines |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def code_lines(source: str, node: ast.AST | None = None) -> int:
    """Lines of `node`, or of the whole source, that are neither blank nor docstring."""
    tree = parse(source)
    text = source.splitlines()
    first, last = 1, len(text)
    if isinstance(node, Function):
        first, last = node.lineno, node.end_lineno or last
    skipped = docstring_lines(node or tree)
    return sum(n not in skipped and bool(text[n - 1].strip()) for n in range(first, last + 1))


def long_files(sources: Sources, limit: int = 400) -> set[str]:
    lengths = {module: len(source.splitlines()) for module, source in sources.items()}
    return {f"{module}: {n} lines" for module, n in lengths.items() if n > limit}


def long_functions(sources: Sources, limit: int = 40) -> set[str]:
    return {
        f"{module}.{node.name}: {n} lines"
        for module, source in sources.items()
        for node in ast.walk(parse(source))
        if isinstance(node, Function) and (n := code_lines(source, node)) > limit
    }


def core_over_budget(sources: Sources, limit: int = 2500) -> set[str]:
    core = {module: source for module, source in sources.items() if inside(module, "core")}
    total = sum(code_lines(source) for source in core.values())
    return {f"core: {total} lines of code"} if total >= limit else set()


def is_public(name: str) -> bool:
    return not name.startswith("_")


def own_methods(node: ast.ClassDef) -> Iterator[Function]:
    for item in node.body:
        decorators = [ast.unparse(d) for d in getattr(item, "decorator_list", [])]
        if isinstance(item, Function) and not any(
            d.endswith(("overload", ".setter", ".deleter")) for d in decorators
        ):
            yield item


def is_inherited(
    classes: dict[str, ast.ClassDef], node: ast.ClassDef, method: str, seen: tuple[str, ...] = ()
) -> bool:
    """Whether a base class, found by its name anywhere in the sources, documents `method`."""
    bases = [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]
    for base in (classes[name] for name in bases if name in classes and name not in seen):
        if any(m.name == method and ast.get_docstring(m) for m in own_methods(base)):
            return True
        if is_inherited(classes, base, method, (*seen, node.name)):
            return True
    return False


def bare_methods(classes: dict[str, ast.ClassDef], node: ast.ClassDef) -> set[str]:
    """The public methods of a class that neither it nor a base documents."""
    bare = {method.name for method in own_methods(node) if not ast.get_docstring(method)}
    return {name for name in bare if is_public(name) and not is_inherited(classes, node, name)}


def undocumented(sources: Sources) -> set[str]:
    """Public modules, classes, functions and methods without a docstring of their own or a base."""
    trees = {module: parse(source) for module, source in sources.items()}
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    found: set[str] = set()
    for module, tree in trees.items():
        parts = [part for part in module.split(".") if not part.endswith("__")]
        if not all(map(is_public, parts)):
            continue
        if not ast.get_docstring(tree):
            found.add(module)
        for node in tree.body:
            if not isinstance(node, ast.ClassDef | Function) or not is_public(node.name):
                continue
            if not ast.get_docstring(node):
                found.add(f"{module}.{node.name}")
            if isinstance(node, ast.ClassDef):
                found |= {f"{module}.{node.name}.{name}" for name in bare_methods(classes, node)}
    return found


def unfinished(sources: Sources) -> set[str]:
    return {
        f"{module}: {word}"
        for module, source in sources.items()
        for word in re.findall("TODO|FIXME|NotImplemented", source)
    }


def forbidden(module: str, node: ast.AST) -> str | None:
    """The name of what `node` does that no code of ours may do, if it does."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"eval", "exec", "__import__"}:
        return ast.unparse(node.func)
    if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
        return "allow_pickle"
    if isinstance(node, ast.Attribute):
        owner = ast.unparse(node.value)
        # Two texts fix their numbers by numpy's old generator, so the lessons may ask for it.
        allowed = SEEDED | ({"RandomState"} if inside(module, "lessons") else set())
        if owner in {"np.random", "numpy.random"} and node.attr not in allowed:
            return f"{owner}.{node.attr}"
    return None


def unsafe(sources: Sources) -> set[str]:
    """Global random numbers, pickles and evaluated text."""
    found: set[str] = set()
    for module, source in sources.items():
        named = {forbidden(module, node) for node in ast.walk(parse(source))}
        targets = {seen.module for seen in imports(module, source)}
        named |= {target for target in targets if root(target) in PICKLES}
        named |= {
            target
            for target in targets
            if target.startswith("numpy.random.") and target.split(".")[2] not in SEEDED
        }
        found |= {f"{module}: {name}" for name in named if name}
    return found
