"""What looks for leftovers of a window sees all of them, whatever others have left in this process."""

import weakref

import pytest
from vtkmodules.vtkCommonCore import vtkPoints

from tests.window.real.leftovers import Leftovers


class Gone:
    """Something that a weak proxy outlives."""


@pytest.mark.usefixtures("qapp")
def test_an_object_of_vtk_that_stays_is_found_beside_a_dead_weak_proxy() -> None:
    gone = Gone()
    proxy = weakref.proxy(gone)
    del gone

    before = Leftovers.now()
    stays = vtkPoints()

    assert Leftovers.settled_since(before) == [type(stays).__name__]
    del proxy
