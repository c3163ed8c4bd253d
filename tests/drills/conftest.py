"""Drills: the incidents at length, with real processes. `make drills`; minutes, not seconds."""
import os, sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))
sys.modules.pop("conftest", None)
import importlib.util  # noqa: E402

_spec = importlib.util.spec_from_file_location("conftest", os.path.join(os.path.dirname(__file__), "..", "e2e", "conftest.py"))
_e2e = importlib.util.module_from_spec(_spec)
sys.modules["conftest"] = _e2e
_spec.loader.exec_module(_e2e)
authority = _e2e.authority
