"""Security: who somebody is, what is written down of what they do, and how a connection is kept to itself.

Who may do what is in `rkruntime.access`.
"""

from rkruntime.security._audit_log import AuditLog as AuditLog
from rkruntime.security._audit_verify import AuditVerdict as AuditVerdict
from rkruntime.security._audit_verify import verify_audit as verify_audit

__all__ = ("AuditLog", "AuditVerdict", "verify_audit")
