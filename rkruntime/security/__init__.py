"""Security: who somebody is, what is written down of what they do, and how a connection is kept to itself.

Who may do what is in `rkruntime.access`.
"""

from rkruntime.security._attempts import Attempts as Attempts
from rkruntime.security._audit_key import read_audit_key as read_audit_key
from rkruntime.security._audit_log import SYNC_EACH_S as SYNC_EACH_S
from rkruntime.security._audit_log import AuditLog as AuditLog
from rkruntime.security._audit_verify import AuditVerdict as AuditVerdict
from rkruntime.security._audit_verify import verify_audit as verify_audit
from rkruntime.security._authenticate import Authenticator as Authenticator
from rkruntime.security._certificate import names_in as names_in
from rkruntime.security._headers import PAGE_POLICY as PAGE_POLICY
from rkruntime.security._headers import SECURITY_HEADERS as SECURITY_HEADERS
from rkruntime.security._headers import security_headers as security_headers
from rkruntime.security._identity import ANYONE as ANYONE
from rkruntime.security._identity import Identity as Identity
from rkruntime.security._identity import Unproven as Unproven
from rkruntime.security._issue import issue_key as issue_key
from rkruntime.security._issue import revoke_key as revoke_key
from rkruntime.security._key_file import KeyRecord as KeyRecord
from rkruntime.security._key_file import read_keys as read_keys
from rkruntime.security._keys import ApiKeys as ApiKeys
from rkruntime.security._origin import Hosts as Hosts
from rkruntime.security._origin import why_foreign as why_foreign
from rkruntime.security._tls import ServerTls as ServerTls

__all__ = (  # noqa: RUF022  # sorted as every package's
    "ANYONE",
    "ApiKeys",
    "Attempts",
    "AuditLog",
    "AuditVerdict",
    "Authenticator",
    "Hosts",
    "Identity",
    "KeyRecord",
    "PAGE_POLICY",
    "SECURITY_HEADERS",
    "SYNC_EACH_S",
    "ServerTls",
    "Unproven",
    "issue_key",
    "names_in",
    "read_audit_key",
    "read_keys",
    "revoke_key",
    "security_headers",
    "verify_audit",
    "why_foreign",
)
