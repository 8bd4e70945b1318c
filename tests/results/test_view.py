"""A view is the one name of a result: its key is its place, the same in every version, and no two views share one."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given

from harness.types import View
from tests.results.test_round_trip import VIEWS

# Keys are places in runs that lie on disks: they may not change.
KEYS = {
    View("NR", "confidence", ("original",)): "NR/confidence/original",
    View("SR", "sr2-rf", ("original", "int8"), "litert"): "litert/SR/sr2-rf/original,int8",
    View("MR", "mr-gbt", ("int8", "fp16", "prune-0.6"), "onnx"): "onnx/MR/mr-gbt/int8,fp16,prune-0.6",
    View("NR", "gbt", ("int8",), "litert", "phone"): "phone/litert/NR/gbt/int8",
}


@pytest.mark.parametrize("view", KEYS, ids=str)
def test_a_key_is_stable(view: View) -> None:
    assert view.key == KEYS[view]


@given(VIEWS, VIEWS)
def test_no_two_views_of_a_run_share_a_key(one: View, other: View) -> None:
    # A device is named where an audit has several; each then runs its variants on a runtime.
    if all(view.runtime or not view.device for view in (one, other)):
        assert (one.key == other.key) == (one == other)


@given(VIEWS)
def test_a_key_is_a_place_below_the_folder_it_is_put_in(view: View) -> None:
    path = PurePosixPath(view.key)
    assert not path.is_absolute()
    assert ".." not in path.parts


@given(VIEWS)
def test_a_view_is_read_back_from_any_object_that_carries_it(view: View) -> None:
    assert View.from_json({"auc": 0.5, **view.to_json()}) == view


@pytest.mark.parametrize(
    "node", [{}, {"adversary": "NR"}, {"attack": "gbt"}, {"adversary": "XR", "attack": "gbt"}, {"adversary": ["NR"]}]
)
def test_an_object_that_names_no_attack_of_a_known_adversary_is_no_view(node: dict[str, object]) -> None:
    assert View.from_json(node) is None
