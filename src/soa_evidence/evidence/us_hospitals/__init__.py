"""American hospitals: hip infections in New York State, and readmissions under Medicare in the whole country.

They are here to ask the question of English trusts again where other hospitals, payers and rules hold.
"""

from typing import TYPE_CHECKING

from soa_evidence import lazy

if TYPE_CHECKING:
    from soa_evidence.evidence.us_hospitals import classes, medicare, new_york

__all__ = ["classes", "medicare", "new_york"]

lazy.on_use(__name__)
