"""The README and the docs do what they say: every block runs, in order, file by file.

Blocks: `python` (one namespace a file), `console` or `sh` (lines that start with `$ `).
Claims: `expression  # → repr`, `print(x)  # → output`, where a final `…` leaves the rest open, and
an earlier one the last digits of a number, which may depend on the processor; a python block that
begins with `# prints` is compared with the `text` block that follows, in the same way; a shell line
that ends in `  # exits 2` must exit 2. A `no-run` block may only hold make, git, pip and cd.
A file that begins with `<!-- needs data -->` finds the folder of real tables in $DATA.
"""

import ast
import io
import linecache
import os
import re
import sys
import tokenize
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.processes import completed

ROOT = Path(__file__).parents[1]
PAGES = [page for page in [ROOT / "README.md"] if page.is_file()] + sorted(
    ROOT.glob("docs/**/*.md")
)
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)``` *$", re.M | re.S
)
SHELL = {"console", "sh"}
MISSPELT = {"py", "python3", "pycon", "bash", "shell", "zsh"}


class Block(NamedTuple):
    language: str
    runs: bool
    body: str
    line: int  # of the block's first line within its file


def blocks(page: str) -> Iterator[Block]:
    for match in FENCE.finditer(page):
        language, *options = match["info"].split() or [""]
        body = re.sub(f"^{match['indent']}", "", match["body"], flags=re.MULTILINE)
        yield Block(
            language, "no-run" not in options, body, page[: match.start("body")].count("\n") + 1
        )


def agrees(claimed: str, real: str) -> bool:
    parts = claimed.removesuffix("…").split("…")
    pattern = r"\d*".join(re.escape(part) for part in parts)
    compare = re.match if claimed.endswith("…") else re.fullmatch
    return compare(pattern, real) is not None


def claims(code: str) -> dict[int, str]:
    """Line number -> what its `# →` comment claims."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    return {
        token.start[0]: token.string.removeprefix("# →").strip()
        for token in comments
        if token.string.startswith("# →")
    }


def run_statement(node: ast.stmt, names: dict[str, Any], file: str) -> tuple[str, str]:
    """Run one statement: what it prints, and the repr of what it is or assigns."""
    printed = io.StringIO()
    value = None
    with redirect_stdout(printed):
        if isinstance(node, ast.Expr):
            value = eval(compile(ast.Expression(node.value), file, "eval"), names)
        else:
            exec(compile(ast.Module([node], []), file, "exec"), names)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = names[node.targets[0].id]
    return printed.getvalue(), repr(value)


def run_python(block: Block, names: dict[str, Any], file: Path) -> str:
    """Run a block, compare its claims and return what it prints."""
    # Blank lines in front give every statement the number of its line in the file.
    code = "\n" * (block.line - 1) + block.body
    linecache.checkcache(str(file))
    open_claims = claims(code)
    printed = ""
    for node in ast.parse(code, str(file)).body:
        output, value = run_statement(node, names, str(file))
        printed += output
        claimed = open_claims.pop(node.end_lineno or 0, None)
        if claimed is not None:
            real = output.strip() or value
            place = f"{file.name}:{node.lineno}"
            assert agrees(claimed, real), f"{place}: claims {claimed}, gives {real}"
    assert not open_claims, f"{file.name}: a # → that ends no statement: {open_claims}"
    return printed


def commands(block: Block) -> list[str]:
    lines = block.body.replace("\\\n", "").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def run_shell(command: str, folder: Path, environment: dict[str, str]) -> None:
    match = re.search(r"  # exits (\d+)$", command)
    wanted = int(match[1]) if match else 0
    done = completed(["bash", "-o", "pipefail", "-c", command], cwd=folder, env=environment)
    assert done.returncode == wanted, (
        f"$ {command}\nexits {done.returncode}, not {wanted}\n{done.stdout}{done.stderr}"
    )


def refuse_to_skip(block: Block) -> None:
    """A block that is not run may hold nothing that a reader's machine alone could check."""
    lines = commands(block) if block.language in SHELL else block.body.splitlines()
    parts = [part.split() for line in lines for part in re.split(r"&&|\|\||[;|]", line)]
    kept = {"make", "git", "pip", "cd"}
    wrong = [" ".join(part) for part in parts if part and part[0] not in kept]
    assert not wrong, f"line {block.line}: only make, git, pip and cd may go unrun: {wrong}"


def run_page(page: Path, folder: Path, environment: dict[str, str]) -> None:
    """Run every block of a page in `folder`."""
    names: dict[str, Any] = {"__name__": "docs"}
    expected: str | None = None
    for block in blocks(page.read_text(encoding="utf-8")):
        place = f"{page.name}:{block.line}"
        if expected is not None:
            assert block.language in {"text", "output"}, f"{place}: a # prints needs its text block"
            right = agrees(block.body.rstrip(), expected.rstrip())
            assert right, f"{place}: prints\n{expected}"
        expected = None
        assert block.language not in MISSPELT, f"{place}: call it python, console or sh"
        if not block.runs:
            refuse_to_skip(block)
        elif block.language == "python":
            printed = run_python(block, names, page)
            expected = printed if block.body.startswith("# prints") else None
        elif block.language in SHELL:
            assert commands(block), f"{place}: no line starts with '$ '"
            for command in commands(block):
                run_shell(command, folder, environment)
    assert expected is None, f"{page.name}: a # prints needs its text block"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of the blocks: a folder of their own, our commands first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", path)
    return dict(os.environ)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_runs(
    page: Path,
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if page.read_text(encoding="utf-8").startswith("<!-- needs data -->"):
        monkeypatch.setenv("DATA", str(request.getfixturevalue("data")))
    run_page(page, tmp_path, dict(os.environ))


GOOD = """
```python
x = [1, 2]
x  # → [1, 2]
total = sum(x)  # → 3
```
1. Indented, in the same namespace, and `# →` in a string is no claim:
   ```python
   print(total / 7)  # → 0.428…
   [total / 7, 2]  # → [0.42857…, 2]
   y = "# → 5"
   ```
```python
# prints
for i in x:
    print(i / 3, i)
```
```text
0.333… 1
0.666… 2
```
```console
$ touch left.txt && \\
    test -f left.txt
what it prints is not compared
$ python -c 'import os; os.environ["PATH"]; raise SystemExit(2)'  # exits 2
```
```sh no-run
$ git clone somewhere && cd somewhere
$ make demo
```
"""

BAD = {
    "claims 2, gives 3": "```python\n1 + 2  # → 2\n```",
    "claims 0.4…, gives 0.5": "```python\nprint(0.5)  # → 0.4…\n```",
    "claims [0.4…], gives [0.5]": "```python\n[0.5]  # → [0.4…]\n```",
    "claims [0.…], gives [0.5, 1]": "```python\n[0.5, 1]  # → [0.…]\n```",
    "ends no statement": "```python\nfor i in [1]:\n    i  # → 1\n    i\n```",
    "page.md:6: prints": "```python\n# prints\nprint(1)\n```\n```text\n2\n```",
    "needs its text block": "```python\n# prints\nprint(1)\n```",
    "exits 1, not 0": "```console\n$ false\n```",
    "exits 0, not 2": "```console\n$ true  # exits 2\n```",
    "exits 3, not 0": "```sh\n$ (exit 3) | true\n```",
    "no line starts with": "```sh\nfalse\n```",
    "may go unrun": "```console no-run\n$ make demo && chainrule info\n```",
    "only make": "```python no-run\nimport chainrule\n```",
    "call it python": "```bash\n$ true\n```",
    "page.md:2": "```py\n1\n```",
}


def test_right_page_passes(tmp_path: Path, environment: dict[str, str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(GOOD, encoding="utf-8")
    run_page(page, tmp_path, environment)
    assert (tmp_path / "left.txt").exists()


@pytest.mark.parametrize("complaint", BAD)
def test_wrong_page_fails(complaint: str, tmp_path: Path, environment: dict[str, str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(BAD[complaint], encoding="utf-8")
    with pytest.raises(AssertionError, match=re.escape(complaint)):
        run_page(page, tmp_path, environment)


def test_error_in_a_block_reaches_the_test(tmp_path: Path, environment: dict[str, str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\n1 / 0\n```", encoding="utf-8")
    with pytest.raises(ZeroDivisionError):
        run_page(page, tmp_path, environment)
