"""How much would have to be wrong for a comparison of units to say something else.

Each method takes one worry apart: patients more severe than the records show, patients who did not answer,
a single hospital that decides, bias that an outcome no surgeon can change would betray.
"""

from typing import TYPE_CHECKING

from soa_evidence import lazy

if TYPE_CHECKING:
    from soa_evidence.units.sensitivity import (
        e_value,
        leave_one_out,
        negative_control,
        non_response,
        unmeasured_severity,
    )

__all__ = ["e_value", "leave_one_out", "negative_control", "non_response", "unmeasured_severity"]

lazy.on_use(__name__)
