"""The audit: what each proxy's scores are worth to this policy."""

from culpa.audit.gather import RULERS
from culpa.audit.measures import BY_NAME, MEASURES, Measure
from culpa.audit.outlook import Outlook
from culpa.audit.provenance import Provenance
from culpa.audit.run import audit
from culpa.audit.settings import Settings
from culpa.audit.verdict import SCHEMA, WRITERS, Verdict
from culpa.audit.warn import LEVELS, Finding, Level

__all__ = [
    "BY_NAME",
    "LEVELS",
    "MEASURES",
    "RULERS",
    "SCHEMA",
    "WRITERS",
    "Finding",
    "Level",
    "Measure",
    "Outlook",
    "Provenance",
    "Settings",
    "Verdict",
    "audit",
]
