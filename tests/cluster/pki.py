"""Keys and certificates of one run, made anew each time."""

import base64
import datetime
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that signs the run's certificates."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls) -> "Authority":
        """Return a new authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("genmodel-local-cluster")
        builder = _builder(name, name, key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        return cls(key=key, certificate=builder.sign(key, hashes.SHA256()))

    def issue(
        self, folder: Path, stem: str, *, user: str, groups: tuple[str, ...] = (), server: tuple[str, ...] = ()
    ) -> None:
        """Write `stem.key` and `stem.crt`: for a client (user and groups) and, with names, also for a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if server else [])]
        builder = _builder(_name(user, groups), self.certificate.subject, key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if server:
            names = x509.SubjectAlternativeName([_alternative(name) for name in server])
            builder = builder.add_extension(names, critical=False)
        write_key(folder / f"{stem}.key", key)
        write_certificate(folder / f"{stem}.crt", builder.sign(self.key, hashes.SHA256()))


def _name(user: str, groups: tuple[str, ...] = ()) -> x509.Name:
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
            x509.NameAttribute(NameOID.COMMON_NAME, user),
        ]
    )


def _builder(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # Clocks of a suspended machine may step back a little.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a private key that only its owner may read."""
    # The traditional form is the one that kube-apiserver takes for service account keys too.
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    path.touch(mode=0o600)
    path.write_bytes(pem)


def write_certificate(path: Path, certificate: x509.Certificate) -> None:
    """Write a certificate."""
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def write_all(folder: Path, *, server_names: tuple[str, ...], node_name: str, node_address: str) -> None:
    """Write the certificates and keys of all components into the folder."""
    authority = Authority.create()
    write_certificate(folder / "ca.crt", authority.certificate)
    write_key(folder / "ca.key", authority.key)
    authority.issue(folder, "apiserver", user="kube-apiserver", server=server_names)
    authority.issue(folder, "admin", user="genmodel-admin", groups=("system:masters",))
    authority.issue(folder, "controller-manager", user="system:kube-controller-manager")
    authority.issue(folder, "scheduler", user="system:kube-scheduler")
    authority.issue(folder, "kwok", user="kwok", groups=("system:masters",))
    authority.issue(folder, "kubelet-client", user="kube-apiserver-kubelet-client", groups=("system:masters",))
    authority.issue(folder, "node", user=f"system:node:{node_name}", groups=("system:nodes",))
    authority.issue(folder, "kubelet", user=f"system:node:{node_name}", server=(node_name, node_address))
    authority.issue(folder, "proxy", user="system:kube-proxy")
    write_key(folder / "service-account.key", ec.generate_private_key(ec.SECP256R1()))


def write_kubeconfig(path: Path, *, pki: Path, user: str, server: str) -> Path:
    """Write a kubeconfig with everything in it, so that the file may be moved."""

    def inline(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": inline("ca.crt")}
    credentials = {
        "client-certificate-data": inline(f"{user}.crt"),
        "client-key-data": inline(f"{user}.key"),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "genmodel",
        "clusters": [{"name": "genmodel", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "genmodel", "context": {"cluster": "genmodel", "user": user}}],
    }
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(yaml.safe_dump(document, sort_keys=False))
    return fresh.replace(path)
