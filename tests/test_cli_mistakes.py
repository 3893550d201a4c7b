"""Every mistake on the command line: one sentence, exit code 2, no file written or changed."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest
from support.cli_tables import QUICK, call, ok, process, rewrite_header, write_flowers

T = ["train", "flowers.csv", "--target", "kind"]
PARTS = ["train", "parts/p*.csv", "--target", "kind"]
IMAGES = ["train", "idx", "--target", "label"]
PREDICT = ["predict", "good.safetensors"]
HUGE = "1" + "0" * 30
MISTAKES: dict[str, tuple[list[str], str]] = {
    "missing file": (["train", "flower.csv", "--target", "kind"], "did you mean flowers.csv"),
    "empty file": (["train", "empty.csv", "--target", "kind"], "empty.csv is empty"),
    "one column": (["train", "one.csv", "--target", "a"], "one column only"),
    "no such target": (["train", "flowers.csv", "--target", "kid"], 'did you mean "kind"?'),
    "constant target": (["train", "flowers.csv", "--target", "always"], "is constant, always 1"),
    "target all missing": (["train", "gaps.csv", "--target", "b"], "is missing"),
    "features all missing": (["train", "gaps.csv", "--target", "a"], "every value is missing"),
    "text as number": ([*T, "--role", "colour=number"], '"colour" of flowers.csv cannot be'),
    "binary file": (["train", "binary.csv", "--target", "a"], "binary file"),
    "truncated gz": (["train", "cut.csv.gz", "--target", "kind"], "cut.csv.gz ends in the middle"),
    "ragged rows": (["train", "ragged.csv", "--target", "kind"], "ragged.csv, line 4: 2 cells"),
    "infinite number": (["train", "infinite.csv", "--target", "b"], "holds inf in data row 3"),
    "truncated model": (["predict", "cut.st", "flowers.csv"], "cut.st"),
    "other version": (["info", "version.safetensors"], "format 99"),
    "not our model": (["info", "foreign.safetensors"], "foreign.safetensors"),
    "no model at all": (["evaluate", "flowers.csv", "flowers.csv"], "flowers.csv"),
    "lying shapes": (["predict", "lying.safetensors", "flowers.csv"], "lying.safetensors"),
    "columns gone": (["predict", "good.safetensors", "plain.csv"], 'lacks the columns "length"'),
    "no answers": (["evaluate", "good.safetensors", "answerless.csv"], 'no column "kind"'),
    "no probabilities": (["predict", "number.safetensors", "plain.csv", "--proba"], "use predict"),
    "no such folder": ([*T, "--out", "nowhere/m.safetensors"], "nowhere"),
    "through a file": ([*T, "--out", "empty.csv/m.safetensors"], "empty.csv"),
    "onto /proc": ([*T, "--out", "/proc/m.safetensors"], "/proc/m.safetensors"),
    "a folder": ([*T, "--report", "."], "is a folder"),
    "onto the table": ([*T, "--out", "flowers.csv"], "--out is flowers.csv, which is FILE as well"),
    "two in one": ([*T, "--out", "x", "--report", "x"], "give it another name"),
    "onto the model": (
        ["predict", "good.safetensors", "flowers.csv", "--out", "good.safetensors"],
        "which is MODEL as well",
    ),
    "diverged": ([*T, "--preset", "simple", "--lr", "1e300", "--optimizer", "sgd", "--activation",
                  "identity", "--quiet"], "training diverged at epoch"),
    "diverged of four": ([*T, "--lr", "1e300", "--optimizer", "sgd", "--batch-size", "8",
                          "--quiet"], "training diverged at epoch"),
    "metric of numbers": ([*T, "--metric", "rmse"],
                          "metric is 'rmse': use one of accuracy, log_loss, auc"),
    "metric of classes": (["train", "plain.csv", "--target", "b", "--task", "regression",
                           "--metric", "auc"], "metric is 'auc': use one of rmse, mae"),
    "interval of classes": ([*T, "--interval", "0.9"], 'interval is 0.9, but "kind" is taken'),
    "weights of a number": (["train", "plain.csv", "--target", "b", "--task", "regression",
                             "--class-weight", "balanced"], "class_weight is for classes"),
}  # fmt: skip
# One of each verb and place where a mistake is seen; the others are made within the test's process.
PROCESSES = ("missing file", "binary file", "onto /proc", "truncated model", "other version",
             "no model at all", "diverged", "diverged of four")  # fmt: skip
OPTIONS: dict[str, tuple[list[str], str]] = {
    "hidden 0": ([*T, "--hidden", "0"], "at least 1 such as 64,32"),
    "hidden words": ([*T, "--hidden", "a,b"], '--hidden is "a,b"'),
    "valid 1.5": ([*T, "--valid", "1.5"], "shares of 1.5"),
    "lr -1": ([*T, "--lr", "-1"], "lr is -1.0"),
    "lr abc": ([*T, "--lr", "abc"], "'abc' is not a valid float: see chainrule train --help"),
    "role nonsense": ([*T, "--role", "nonsense"], "write COLUMN=KIND"),
    "role kind": ([*T, "--role", "colour=shape"], '"shape" for "colour" is no kind'),
    "optimizer": ([*T, "--optimizer", "x"], "optimizer is 'x': use one of sgd"),
    "activation": ([*T, "--activation", "x"], "activation is 'x'"),
    "nearly an activation": ([*T, "--activation", "rellu"], "'rellu': did you mean relu or"),
    "nearly an optimizer": ([*T, "--optimizer", "Adm"], "'Adm': did you mean adam or"),
    "epochs 0": ([*T, "--epochs", "0"], "0 is not in the range"),
    "huge epochs": ([*T, "--epochs", HUGE], "is not in the range"),
    "huge batches": ([*T, "--batch-size", HUGE], "is not in the range"),
    "huge seed": ([*T, "--seed", HUGE], "is not in the range"),
    "huge threads": ([*T, "--threads", "1025"], "1025 is not in the range 1<=x<=1024"),
    "hidden digits": ([*T, "--hidden", HUGE], "a size of 31 digits"),
    "huge layers": ([*T, "--hidden", "999999999,999999999"], "memory"),
    "many layers": ([*T, "--hidden", "1" + ",1" * 1000], "--hidden lists 1001 layers"),
    "more than a file holds": ([*T, "--hidden", "1" + ",1" * 400], "a model file holds 1000"),
    "metric": ([*T, "--metric", "f1"], "'f1' is not one of 'accuracy', 'log_loss', 'auc', 'rmse'"),
    "preset": ([*T, "--preset", "strnog"], "'strnog' is not one of 'strong', 'ensemble', 'simple'"),
    "class weight": ([*T, "--class-weight", "equal"], "'equal' is not 'balanced'"),
    "time limit 0": ([*T, "--time-limit", "0"], "0.0 is not in the range x>0"),
    "time limit nan": ([*T, "--time-limit", "nan"], "time_limit is nan"),
    "interval 1.5": (["train", "plain.csv", "--target", "b", "--task", "regression", "--interval",
                      "1.5"], "interval is 1.5: give a share such as 0.9"),
    "interval nan": (["train", "plain.csv", "--target", "b", "--task", "regression", "--interval",
                      "nan"], "interval is nan: give a share such as 0.9"),
    "dropout -1": ([*T, "--dropout", "-1"], "-1.0"),
    "dropout nan": ([*T, "--dropout", "nan"], "nan"),
    "test nan": ([*T, "--test", "nan"], "nan"),
    "role twice": ([*T, "--role", "weight=drop", "--role", "weight=number"], '"weight" twice'),
    "empty file name": (["train", "", "--target", "kind"], "FILE is empty: give the path"),
    "empty out": ([*T, "--out", ""], "--out is empty: give the path"),
    "empty report": ([*T, "--report", ""], "--report is empty: give the path"),
    "empty test": ([*T, "--test", ""], "--test is empty: give the path"),
    "empty answers": ([*PREDICT, "flowers.csv", "--out", ""], "--out is empty: give the path"),
    "empty rows": (["evaluate", "good.safetensors", ""], "FILE is empty: give the path"),
    "empty model": (["evaluate", "", "flowers.csv"], "MODEL is empty: give the path"),
    "looped file": (["train", "loop.csv", "--target", "kind"], "loop.csv"),
    "looped out": ([*T, "--out", "loop.csv"], "loop.csv is a link that leads to itself"),
    "looped model": (["predict", "loop.csv", "flowers.csv"], "loop.csv cannot be read"),
    "onto a part": ([*PARTS, "--out", "parts/p1.csv"], "parts/p1.csv, which is FILE as well"),
    "report onto a part": ([*PARTS, "--report", "parts/p2.csv"], "which is FILE as well"),
    "onto a test part": ([*T, "--test", "parts/p*", "--out", "parts/p1.csv"], "--test as well"),
    "onto the home": (["train", "~/flowers.csv", "--target", "kind", "--out", "flowers.csv"],
                      "which is FILE as well"),
    "answers onto a part": ([*PREDICT, "parts/p*.csv", "--out", "parts/p2.csv"], "FILE as well"),
    "answers onto the home": ([*PREDICT, "~/flowers.csv", "--out", "link.csv"], "FILE as well"),
    "onto labels": ([*IMAGES, "--out", "idx/train-labels-idx1-ubyte"], "which is FILE as well"),
    "onto test images": ([*IMAGES, "--out", "idx/t10k-images-idx3-ubyte"], "FILE as well"),
    "test file": ([*T, "--test", "rows.csv"], "rows.csv does not exist"),
    "no target": (["train", "flowers.csv"], "Missing option '--target'"),
    "no such verb": (["trian"], "No such command 'trian'"),
    "no such option": ([*T, "--hiden", "4"], "--hidden"),
    "no such lesson": (["lesson", "alic"], "there is no lesson 'alic'"),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("mistakes")
    table = write_flowers(place / "flowers.csv")
    text = table.read_text(encoding="utf-8")
    (place / "empty.csv").write_bytes(b"")
    (place / "one.csv").write_text("a\n" + "1\n2\n3\n" * 4, encoding="utf-8")
    (place / "gaps.csv").write_text("a,b\n" + "1,\n2,\n3,\n" * 4, encoding="utf-8")
    (place / "binary.csv").write_bytes(bytes(range(256)) * 20)
    (place / "cut.csv.gz").write_bytes(gzip.compress(text.encode())[:300])
    lines = text.splitlines()
    (place / "ragged.csv").write_text("\n".join([*lines[:3], "1,2", *lines[3:]]), encoding="utf-8")
    numbers = [f"{i},{i % 3}.5" for i in range(9)]
    infinite = "\n".join(["a,b", *numbers[:2], "inf,1.5", *numbers])
    (place / "infinite.csv").write_text(infinite, encoding="utf-8")
    (place / "plain.csv").write_text("\n".join(["a,b", *numbers * 3]), encoding="utf-8")
    kept = (line.rsplit(",", 2)[0] for line in lines)
    (place / "answerless.csv").write_text("\n".join(kept), encoding="utf-8")
    ok(*T, *QUICK, "--no-compare", "--out", "good.safetensors", cwd=place)
    ok("train", "plain.csv", "--target", "b", "--task", "regression", *QUICK, "--no-compare",
       "--out", "number.safetensors", cwd=place)  # fmt: skip
    good = place / "good.safetensors"
    (place / "cut.st").write_bytes(good.read_bytes()[:-7])
    rewrite_header(good, place / "version.safetensors", format=99)
    rewrite_header(good, place / "foreign.safetensors")
    rewrite_header(good, place / "lying.safetensors", n_in=10**9)
    (place / "kind.safetensors").write_bytes(b"an older model")
    (place / "loop.csv").symlink_to("loop.csv")
    (place / "link.csv").symlink_to("flowers.csv")
    for name in ("p1.csv", "p2.csv", "pp"):
        (place / "parts").mkdir(exist_ok=True)
        write_flowers(place / "parts" / name)
    (place / "idx").mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (place / "idx" / f"{name}-ubyte").write_bytes(b"never read")
    return place


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", PROCESSES)
def test_mistake_of_a_process_is_one_sentence(name: str, folder: Path) -> None:
    arguments, words = MISTAKES[name]
    before = contents(folder)
    done = process(*arguments, cwd=folder)
    assert done.code == 2, done.err
    assert words in done.err
    assert done.err.startswith("chainrule: ")
    assert done.err.count("\n") == 1, "the sentence is not alone"
    assert done.out == "", "a mistake prints no results"
    assert contents(folder) == before


@pytest.mark.parametrize("name", [n for n in MISTAKES | OPTIONS if n not in PROCESSES])
def test_mistake_is_one_sentence(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, words = (MISTAKES | OPTIONS)[name]
    monkeypatch.setenv("HOME", str(folder))
    before = contents(folder)
    result = call(*arguments, cwd=folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert result.stderr.startswith("chainrule: ")
    assert result.stderr.count("\n") == 1
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["missing file", "hidden 0", "truncated model", "no such lesson"])
def test_mistake_is_one_document_with_json(name: str, folder: Path) -> None:
    arguments, words = (MISTAKES | OPTIONS)[name]
    result = call(*arguments, "--json", cwd=folder)
    assert result.exit_code == 2
    assert words in json.loads(result.stdout)["error"]
