"""Security: who somebody is, what is written down of what they do, and how a connection is kept to itself.

Who may do what is in `rkruntime.access`.
"""

from rkruntime.security._audit_log import SYNC_EACH_S as SYNC_EACH_S
from rkruntime.security._audit_log import AuditLog as AuditLog
from rkruntime.security._audit_verify import AuditVerdict as AuditVerdict
from rkruntime.security._audit_verify import verify_audit as verify_audit
from rkruntime.security._identity import ANYONE as ANYONE
from rkruntime.security._identity import Identity as Identity
from rkruntime.security._identity import Unproven as Unproven
from rkruntime.security._issue import issue_key as issue_key
from rkruntime.security._issue import revoke_key as revoke_key
from rkruntime.security._key_file import KeyRecord as KeyRecord
from rkruntime.security._key_file import read_keys as read_keys
from rkruntime.security._keys import ApiKeys as ApiKeys

__all__ = (
    "ANYONE",
    "SYNC_EACH_S",
    "ApiKeys",
    "AuditLog",
    "AuditVerdict",
    "Identity",
    "KeyRecord",
    "Unproven",
    "issue_key",
    "read_keys",
    "revoke_key",
    "verify_audit",
)
