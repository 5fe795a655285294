"""Nothing that livetag reads can run code: no room uses what would let it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import livetag

PACKAGE = Path(livetag.__file__).parent
MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "imp"}
"""Read what they read as code, or as objects whose making runs code."""
CALLS = {"eval", "exec", "compile", "__import__"}
NAMES = {
    "load_model",  # Keras: Lambda layers, and custom classes
    "load_weights",
    "model_from_json",
    "from_config",
    "deserialize",
    "enable_unsafe_deserialization",
    "TFSMLayer",
    "saved_model",  # TensorFlow: a graph may read and write files
    "load_checkpoint",
    "import_meta_graph",
    "load_op_library",
    "system",
    "popen",
}

ITS_OWN = {"yamnet/export_savedmodel.py": ["saved_model"] * 3}
"""Writes one, and loads what it has just written, to compare it."""


def wrong(tree: ast.AST) -> Iterator[str]:
    """What in a module's code is not to be there."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.split(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES:
                yield module
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield name
            case ast.Attribute(attr=name) if name in NAMES:
                yield name
            case ast.Call(func=ast.Attribute(attr="load", value=ast.Name(id="np"))) as call:
                asked = {word.arg: word.value for word in call.keywords}
                allowed = asked.get("allow_pickle")
                if not (isinstance(allowed, ast.Constant) and allowed.value is False):
                    yield "np.load without allow_pickle=False"
            case ast.keyword(arg="shell", value=value):
                if not (isinstance(value, ast.Constant) and value.value is False):
                    yield "shell=True"


def test_no_room_reads_anything_as_code() -> None:
    found = {
        str(path.relative_to(PACKAGE)): here
        for path in PACKAGE.rglob("*.py")
        if (here := list(wrong(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert found == ITS_OWN


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from marshal import loads",
        "eval(text)",
        "keras.models.load_model(path)",
        "tf.saved_model.load(path)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(line, shell=True)",
        "os.system(line)",
    ],
)
def test_what_would_run_code_is_seen(code: str) -> None:
    assert len(list(wrong(ast.parse(code)))) == 1


def test_what_runs_none_is_let_be() -> None:
    assert list(wrong(ast.parse("np.load(path, allow_pickle=False); re.compile(text)"))) == []
