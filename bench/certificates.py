"""Certificates as real websites have them: three hundred leaves of one authority, and a store.

Making the keys takes up to a minute, so they are kept below ``bench/results`` for the next run.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Literal

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

Chain = Literal["ec", "rsa"]
CHAINS: tuple[Chain, ...] = ("ec", "rsa")
LEAVES = 300
ROOTS = 140
"""In the store, about as many as systems come with."""

KEPT = Path(__file__).parent / "results" / "certificates"
_MADE_AS = 1
"""Of the way in which they are made: what another one made is not used."""

_DAY = dt.timedelta(days=1)
_LEAF_DAYS = 90
_ISSUER_DAYS = 3650
_PEM, _PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Subject:
    """Whom a leaf is for: DNS names, wildcards among them, and addresses."""

    names: tuple[str, ...]
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subjects:
    """Everybody who gets a certificate; ``leaves`` by their number."""

    leaves: tuple[Subject, ...]
    expired: Subject
    wrong_name: Subject


@dataclass(frozen=True)
class Issuer:
    """Who signs: a certificate and its key."""

    certificate: x509.Certificate
    key: Key


@dataclass(frozen=True)
class Certificates:
    """A directory of PEM files: a leaf's has its key, itself, and the intermediate.

    ``store``: whom clients trust. Leaves are reached by number; ``expired`` and ``wrong_name`` are
    what their names say.
    """

    directory: Path

    @property
    def store(self) -> Path:
        return self.directory / "store.pem"

    @property
    def expired(self) -> Path:
        return self.directory / "expired.pem"

    @property
    def wrong_name(self) -> Path:
        return self.directory / "wrong-name.pem"

    def leaf(self, number: int) -> Path:
        return self.directory / f"leaf-{number}.pem"

    def copied_to(self, directory: Path) -> Certificates:
        """A copy that may be changed."""
        shutil.copytree(self.directory, directory)
        return Certificates(directory)

    def renew(self, number: int) -> None:
        """The same key and names in a new certificate, as a website renews it: another chain."""
        path = self.leaf(number)
        pem = path.read_bytes()
        leaf, _ = x509.load_pem_x509_certificates(pem)
        key = serialization.load_pem_private_key(pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        now = dt.datetime.now(dt.UTC)
        issuer = self._intermediate()
        _write(path, key, _leaf(names, key, issuer, _from(now), _until(now)), issuer)

    def _intermediate(self) -> Issuer:
        pem = (self.directory / "intermediate.pem").read_bytes()
        key = serialization.load_pem_private_key(pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        return Issuer(x509.load_pem_x509_certificate(pem), key)


def kept(chain: Chain, subjects: Subjects, below: Path = KEPT) -> Certificates:
    """Those of an earlier run, or new ones where there are none of this kind or they end soon.

    ``ec``: a P-256 leaf, a P-384 intermediate, an RSA-4096 root; ``rsa``: 2048, 2048, 4096 bits.
    """
    directory, now = below / chain, dt.datetime.now(dt.UTC)
    plan = _plan(subjects)
    if not _still_good(directory, plan, now):
        below.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=below) as made:
            path = Path(made) / chain
            path.mkdir()
            _make(path, chain, subjects, now)
            (path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
            _replace(path, directory)
    return Certificates(directory)


def _plan(subjects: Subjects) -> list[object]:
    """What of the input decides what is made, as JSON gives it back."""
    everybody = (*subjects.leaves, subjects.expired, subjects.wrong_name)
    listed = [[list(s.names), list(s.addresses)] for s in everybody]
    return [_MADE_AS, certifi.where(), Path(certifi.where()).stat().st_size, listed]


def _still_good(directory: Path, plan: list[object], now: dt.datetime) -> bool:
    try:
        kept_plan = json.loads((directory / "plan.json").read_text(encoding="utf-8"))
        leaf = x509.load_pem_x509_certificate((directory / "leaf-0.pem").read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return bool(kept_plan == plan) and leaf.not_valid_after_utc > now + 7 * _DAY


def _replace(made: Path, directory: Path) -> None:
    """Another run may do the same at the same moment: whole directories only are moved."""
    with suppress(FileNotFoundError):
        directory.rename(made.with_name("old"))
    try:
        made.rename(directory)
    except OSError:
        if not directory.exists():  # where it does, the other run was first
            raise


def _make(directory: Path, chain: Chain, subjects: Subjects, now: dt.datetime) -> None:
    made = Certificates(directory)
    root = _root("Bench Root", rsa.generate_private_key(65537, 4096), now)
    intermediate = _intermediate(chain, root, now)
    _write(directory / "intermediate.pem", intermediate.key, intermediate.certificate)
    made.store.write_bytes(_store(root, now))

    def leaf(path: Path, subject: Subject, since: dt.datetime, until: dt.datetime) -> None:
        key = _leaf_key(chain)
        _write(path, key, _leaf(_names(subject), key, intermediate, since, until), intermediate)

    for number, subject in enumerate(subjects.leaves):
        leaf(made.leaf(number), subject, _from(now), _until(now))
    leaf(made.expired, subjects.expired, now - _LEAF_DAYS * _DAY, now - _DAY)
    leaf(made.wrong_name, subjects.wrong_name, _from(now), _until(now))


def _from(now: dt.datetime) -> dt.datetime:
    return now - dt.timedelta(hours=1)


def _until(now: dt.datetime) -> dt.datetime:
    return now + _LEAF_DAYS * _DAY


def _leaf_key(chain: Chain) -> Key:
    if chain == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, 2048)


def _store(root: Issuer, now: dt.datetime) -> bytes:
    """The authorities that browsers trust, that of the bench, and as many more as are missing."""
    known = Path(certifi.where()).read_bytes()
    missing = ROOTS - 1 - known.count(b"-----BEGIN CERTIFICATE-----")
    more = (
        _root(f"Bench Other Root {n}", ec.generate_private_key(ec.SECP384R1()), now)
        for n in range(missing)
    )
    ours = (issuer.certificate.public_bytes(_PEM) for issuer in (root, *more))
    return known + b"\n" + b"".join(ours)


def _root(name: str, key: Key, now: dt.datetime) -> Issuer:
    own = _name(name)
    builder = _issuing(own, own, key, now, path_length=None)
    return Issuer(builder.sign(key, _digest(key)), key)


def _intermediate(chain: Chain, root: Issuer, now: dt.datetime) -> Issuer:
    key: Key = (
        ec.generate_private_key(ec.SECP384R1())
        if chain == "ec"
        else rsa.generate_private_key(65537, 2048)
    )
    builder = _issuing(_name("Bench I1"), root.certificate.subject, key, now, path_length=0)
    builder = builder.add_extension(_issued_by(root), critical=False)
    builder = builder.add_extension(_SERVER_AND_CLIENT, critical=False)
    builder = builder.add_extension(_POLICIES, critical=False)
    builder = _with_addresses(builder, "root")
    return Issuer(builder.sign(root.key, _digest(root.key)), key)


def _issuing(
    subject: x509.Name, issuer: x509.Name, key: Key, now: dt.datetime, path_length: int | None
) -> x509.CertificateBuilder:
    """The part of an authority's certificate that all of them have."""
    return (
        _builder(subject, issuer, key, now - _DAY, now + _ISSUER_DAYS * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(authority=True), critical=True)
    )


def _leaf(
    names: x509.SubjectAlternativeName,
    key: Key,
    issuer: Issuer,
    since: dt.datetime,
    until: dt.datetime,
) -> x509.Certificate:
    builder = _builder(_name("*.bench.test"), issuer.certificate.subject, key, since, until)
    encrypts = isinstance(key, rsa.RSAPrivateKey)  # the key exchange of old, RFC 5246, 7.4.7.1
    builder = builder.add_extension(_usage(authority=False, encrypts=encrypts), critical=True)
    builder = builder.add_extension(_SERVER_AND_CLIENT, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
    builder = builder.add_extension(_issued_by(issuer), critical=False)
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(_POLICIES, critical=False)
    return _with_addresses(builder, "i1").sign(issuer.key, _digest(issuer.key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, since: dt.datetime, until: dt.datetime
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _with_addresses(builder: x509.CertificateBuilder, issuer: str) -> x509.CertificateBuilder:
    """Where the issuer's certificate and its revocations would be: real certificates say so."""
    of_issuer = x509.UniformResourceIdentifier(f"http://{issuer}.authority.bench.test/")
    revocations = x509.UniformResourceIdentifier(f"http://{issuer}.revoked.bench.test/7.crl")
    access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, of_issuer)
    points = x509.DistributionPoint([revocations], None, None, None)
    return builder.add_extension(
        x509.AuthorityInformationAccess([access]), critical=False
    ).add_extension(x509.CRLDistributionPoints([points]), critical=False)


_SERVER_AND_CLIENT = x509.ExtendedKeyUsage(
    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
)
_DOMAIN_VALIDATED = x509.ObjectIdentifier("2.23.140.1.2.1")  # CA/Browser Forum
_POLICIES = x509.CertificatePolicies([x509.PolicyInformation(_DOMAIN_VALIDATED, None)])


def _usage(*, authority: bool, encrypts: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=encrypts,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _issued_by(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    )


def _names(subject: Subject) -> x509.SubjectAlternativeName:
    addresses = (x509.IPAddress(IPv4Address(ip_address(a))) for a in subject.addresses)
    return x509.SubjectAlternativeName([*map(x509.DNSName, subject.names), *addresses])


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _digest(key: Key) -> hashes.SHA256 | hashes.SHA384:
    p384 = isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size == 384
    return hashes.SHA384() if p384 else hashes.SHA256()


def _write(
    path: Path, key: Key, certificate: x509.Certificate, issuer: Issuer | None = None
) -> None:
    """Key, certificate, and who signed it: what a server shows."""
    shown = [certificate] if issuer is None else [certificate, issuer.certificate]
    pem = key.private_bytes(_PEM, _PKCS8, serialization.NoEncryption())
    path.write_bytes(pem + b"".join(each.public_bytes(_PEM) for each in shown))
    path.chmod(0o600)
