"""What a test file says about its tests, without running it."""

from __future__ import annotations

import pytest

from kharness.plan.session.test_files import declared_tests, marked_tests

FILE = """
import pytest

prod = pytest.mark.prod_ready
def helper(): pass
def test_a(): pass
async def test_b(): pass
@pytest.fixture(scope="module")
def test_data(): pass
def test_off(): pass
test_off.__test__ = False
def test_gone(): pass
test_gone = None
if True:
    def test_maybe(): pass
class TestC:
    def test_d(self): pass
    def other(self): pass
    class TestE:
        def test_f(self): pass
class TestOff:
    __test__ = False
    def test_g(self): pass
class Tools:
    def test_h(self): pass
"""


def test_what_pytests_own_conventions_collect() -> None:
    assert declared_tests(FILE) == ("test_a", "test_b", "TestC::test_d", "TestC::TestE::test_f")
    assert declared_tests("def test_(:") == ()
    assert declared_tests("\0") == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@pytest.mark.prod_ready\ndef test_a(): pass", ("test_a",)),
        ("@mark.prod_ready\nclass TestA:\n  def test_b(self): pass", ("TestA::test_b",)),
        ("class TestA:\n  pytestmark = mark.prod_ready\n  def test_b(self): pass", ("TestA::test_b",)),
        ("pytestmark = [pytest.mark.prod_ready]\ndef test_a(): pass", ("test_a",)),
        ("only = pytest.mark.prod_ready\n@only\ndef test_a(): pass", ("test_a",)),
        ("@parametrize('x', [param(1, marks=mark.prod_ready)])\ndef test_a(x): pass", ("test_a",)),
        (
            "@mark.standalone\n@pytest.mark.parametrize('x', [param(1, marks=mark.prod_ready)])\ndef test_a(x): pass",
            (),
        ),
        ("@mark.standalone\n@mark.prod_ready\ndef test_a(): pass", ()),
        ("pytestmark = mark.standalone\n@mark.prod_ready\ndef test_a(): pass", ()),
        ("def test_a(): 'prod_ready'", ()),
    ],
)
def test_a_test_that_carries_one_mark_and_not_the_other(text: str, found: tuple[str, ...]) -> None:
    assert marked_tests(text, mark="prod_ready", other="standalone") == found
