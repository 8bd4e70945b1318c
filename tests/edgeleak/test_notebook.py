"""The example notebook: run in a kernel as a reader would, and its objects show themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "answers.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook with its outputs, made in an empty folder."""
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        # Nothing of a person's own settings, and nothing left behind.
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(folder / name.lower()))
        patch.setenv("PYTHONPATH", str(ROOT))
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        client = nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}})
        return client.execute()


def outputs_of(notebook: Any, code: str) -> list[dict[str, Any]]:
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code" and code in cell.source)
    return [dict(output.get("data", {})) for output in cell.outputs]


@pytest.mark.slow
def test_the_notebook_runs_and_every_cell_ends_without_an_error(executed: Any) -> None:
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert len(cells) == 7
    for cell in cells:
        assert not [output for output in cell.outputs if output.output_type in ("error", "stream")], cell.source


@pytest.mark.slow
def test_a_result_a_picture_and_an_estimate_show_themselves(executed: Any) -> None:
    (found,) = outputs_of(executed, "found = edgeleak.attack")
    assert "Members can be told from non-members" in found["text/html"]
    assert "<table>" in found["text/html"]
    assert "Members can be told from non-members" in found["text/plain"]
    (picture,) = outputs_of(executed, "found.plot()")
    assert picture["text/html"].startswith('<img alt="ROC curves')
    (estimate,) = outputs_of(executed, "again.strongest.headline")
    assert "level, n = 1797" in estimate["text/html"]
    (same,) = outputs_of(executed, "again.to_json()")
    assert same["text/plain"] == "True"
    (frame,) = outputs_of(executed, "found.frame()")
    assert "tpr_at_fpr_0.05" in frame["text/html"]


def test_the_notebook_is_stored_without_outputs() -> None:
    """Outputs of a machine would be shown as if they were the reader's."""
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook["nbformat"] == 4
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
