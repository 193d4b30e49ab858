"""An issuer of tokens: private keys, the JWKS of their public halves, and tokens of every kind."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

__all__ = ("AUDIENCE", "ISSUER", "PRIVATE", "claims", "jwks", "jwks_of", "public_pem", "signed", "unsigned", "write")

ISSUER, AUDIENCE = "https://issuer.example.org", "gpu-service"
PRIVATE: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
_WRITE: dict[str, Any] = {"RS256": RSAAlgorithm.to_jwk, "ES256": ECAlgorithm.to_jwk, "EdDSA": OKPAlgorithm.to_jwk}


def jwk(private: Any, algorithm: str, kid: str | None) -> dict[str, Any]:
    told = json.loads(_WRITE[algorithm](private.public_key()))
    return told | ({} if kid is None else {"kid": kid}) | {"use": "sig"}


def jwks_of(**keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys.values())}).encode()


def jwks(*algorithms: str) -> bytes:
    """The public keys, each under the name of its algorithm as its id."""
    return jwks_of(**{name: jwk(PRIVATE[name], name, name) for name in algorithms or PRIVATE})


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    told = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600, "roles": ["gpu-users"]}
    return {name: value for name, value in (told | changed).items() if value is not None}


def signed(algorithm: str = "RS256", kid: str | None = "", *, key: Any = None, **changed: Any) -> str:
    headers = {} if kid is None else {"kid": kid or algorithm}
    return jwt.encode(claims(**changed), key or PRIVATE[algorithm], algorithm, headers)


def unsigned(header: dict[str, Any], signature: bytes = b"", **changed: Any) -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims(**changed)).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def public_pem(algorithm: str) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem: bytes = PRIVATE[algorithm].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def write(path: Path, data: bytes) -> None:
    """Put a file in the place of another."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(data)
    beside.replace(path)
