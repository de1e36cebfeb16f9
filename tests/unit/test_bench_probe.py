"""Two probers in turn: what is asked for, whom they find, and what it came to."""

import datetime as dt
import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

sys.path.append(str(Path(__file__).parents[2]))  # the benchmark is no part of the product

from bench import certificates, mix, names, serving, targets
from bench.certificates import Subject, Subjects
from bench.probe import child, options, report, run
from bench.probe.run import AGAINST, BLACKBOX, TREE, Child, Compared
from bench.stack import Failed

SOURCE = Path(__file__).parents[2] / "src"
SUBJECTS = Subjects(
    leaves=(Subject(("*.a0.bench.test",), ("127.1.7.2",)), Subject(("*.a1.bench.test",))),
    expired=Subject(("*.expired.bench.test",)),
    wrong_name=Subject(("*.another.bench.test",)),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Certificates with few leaves: the keys are what takes long."""
    return certificates.kept("ec", SUBJECTS, tmp_path_factory.mktemp("certificates"))


def shown(path):
    return x509.load_pem_x509_certificates(path.read_bytes())


def roots_of_the_bench(store):
    """Its own, not those whom browsers trust."""
    known = Path(certifi.where()).read_bytes()
    ours = x509.load_pem_x509_certificates(store.read_bytes().removeprefix(known))
    return [each for each in ours if each.subject.rfc4514_string() == "CN=Bench Root"]


class TestCertificates:
    def test_a_chain_is_as_the_largest_free_authority_issues_it(self, made):
        leaf, intermediate = shown(made.leaf(0))
        (root,) = roots_of_the_bench(made.store)
        assert isinstance(leaf.public_key().curve, ec.SECP256R1)
        assert isinstance(intermediate.public_key().curve, ec.SECP384R1)
        assert (isinstance(root.public_key(), rsa.RSAPublicKey), root.public_key().key_size) == (
            True, 4096,
        )  # fmt: skip
        leaf.verify_directly_issued_by(intermediate)
        intermediate.verify_directly_issued_by(root)

    def test_the_store_is_as_large_as_a_systems(self, made):
        context = ssl.create_default_context(cafile=made.store)
        assert context.cert_store_stats()["x509_ca"] == certificates.ROOTS

    def test_they_are_kept_for_the_next_run(self, made, tmp_path):
        again = certificates.kept("ec", SUBJECTS, made.directory.parent)
        assert again == made
        assert shown(again.leaf(1)) == shown(made.leaf(1))

    def test_other_subjects_and_old_ones_are_made_anew(self, made, tmp_path, monkeypatch):
        below = tmp_path / "kept"
        below.mkdir()
        made.copied_to(below / "ec")
        before = shown(certificates.kept("ec", SUBJECTS, below).leaf(0))
        assert before == shown(made.leaf(0))
        (below / "ec" / "leaf-0.pem").write_bytes((below / "ec" / "expired.pem").read_bytes())
        after = shown(certificates.kept("ec", SUBJECTS, below).leaf(0))
        assert after[0].not_valid_after_utc > dt.datetime.now(dt.UTC) + dt.timedelta(days=80)

    def test_a_renewed_one_is_another_of_the_same_key(self, made, tmp_path):
        copied = made.copied_to(tmp_path / "pem")
        copied.renew(0)
        old, new = shown(made.leaf(0))[0], shown(copied.leaf(0))[0]
        assert old.public_key() == new.public_key()
        assert old.fingerprint(new.signature_hash_algorithm) != new.fingerprint(
            new.signature_hash_algorithm
        )
        new.verify_directly_issued_by(shown(made.leaf(0))[1])


class TestOptions:
    def test_known_websites_with_the_ec_chain_unless_said_otherwise(self):
        wanted = options.read(["--against", "DIR"])
        assert (wanted.chain, wanted.rounds, wanted.first, wanted.changed) == (
            "ec",
            9,
            False,
            False,
        )
        assert wanted.passes * wanted.websites >= 2000

    def test_no_two_websites_have_the_same_host(self):
        for more in ([], ["--by-name"], ["--redirect"]):
            wanted = options.read(["--against", "DIR", *more])
            served = targets.Targets(None, Path(), wanted.served(), 8443, 8080)
            hosts = {served.url(n).split("/")[2] for n in wanted.numbers}
            assert len(hosts) == wanted.websites

    def test_redirected_websites_are_asked_over_http_by_name(self):
        wanted = options.read(["--against", "DIR", "--redirect"])
        served = targets.Targets(None, Path(), wanted.served(), 8443, 8080)
        assert {served.url(n).split("/")[3] for n in wanted.numbers} == {"redirect"}
        assert all(served.url(n).startswith("http://site") for n in wanted.numbers)

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["--against", "DIR", "--plain", "--changed"],
            ["--against", "DIR", "--plain", "--redirect"],
            ["--against", "DIR", "--first", "--changed"],
            ["--against", "DIR", "--chain", "dsa"],
            ["--against", "DIR", "--rounds", "0"],
        ],
    )
    def test_what_cannot_be_measured_is_refused(self, words, capsys):
        with pytest.raises(SystemExit):
            options.read(words)
        assert "error:" in capsys.readouterr().err


@pytest.fixture(scope="module")
def served(made, tmp_path_factory):
    """Two leaves at eight addresses; the mix; and the server of their names."""
    if targets.find_nginx() is None:
        pytest.skip("nginx is not installed")
    directory = tmp_path_factory.mktemp("served")
    patch = pytest.MonkeyPatch()
    patch.setattr(targets, "LEAVES", 2)
    patch.setattr(serving, "LEAVES", 2)
    patch.setattr(targets, "ADDRESSES", targets.ADDRESSES[:8])
    patch.setattr(serving, "ADDRESSES", targets.ADDRESSES[:8])
    patch.setattr(targets, "_certificates", lambda _: made)
    web = targets.start(directory / "nginx", targets.Served("ec", named=True, mixed=True))
    dns = names.start(directory, targets.ADDRESSES, targets.ELSEWHERE)
    try:
        serving.wait_until_up(web)
        yield web, dns
    finally:
        serving.stop(web.child)
        serving.stop(dns.child)
        web.close()
        patch.undo()


class TestServing:
    """What nginx is told to do."""

    def connected(self, web, number, name):
        context = ssl.create_default_context(cafile=web.store)
        asking = socket.create_connection((targets.ADDRESSES[number], web.port), timeout=30)
        with context.wrap_socket(asking, server_hostname=name) as tls:
            return tls.version(), dict(tls.getpeercert()["subjectAltName"])["DNS"]

    @pytest.mark.parametrize("number", [0, 1, 3, 7])
    @pytest.mark.parametrize("family", ["a0", "a1"])
    def test_the_name_chooses_the_certificate_and_the_address_the_version(
        self, served, number, family
    ):
        version, shown_name = self.connected(served[0], number, names.host(5, family))
        assert version == ("TLSv1.2" if number % 4 == 3 else "TLSv1.3")
        assert shown_name == f"*.{family}.bench.test"

    def test_without_a_name_it_is_the_certificate_of_the_address(self, served):
        assert self.connected(served[0], 0, targets.ADDRESSES[0])[1] == "*.a0.bench.test"


class TestChild:
    """The program itself, at servers of this test."""

    @pytest.fixture
    def asked(self, served, tmp_path):
        """Runs a child at some websites."""
        web, dns = served
        running = []

        def start(numbers):
            urls = tmp_path / "urls.txt"
            urls.write_text("\n".join(map(web.url, numbers)))
            words = [sys.executable, "-P", child.__file__, urls, "4", dns.address]
            running.append(
                subprocess.Popen(
                    words,
                    env={"PYTHONPATH": str(SOURCE), "SSL_CERT_FILE": str(web.store)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            return Child(running[-1])

        yield start
        for each in running:
            each.kill()
            each.communicate()

    def test_it_checks_every_website_so_often_and_tells_its_cpu_time(self, asked):
        prober = asked(range(6))
        assert prober.check(2, 6) > 0
        prober.fresh()
        assert prober.check(1, 6) > 0

    def test_websites_that_fail_are_no_figure(self, asked):
        failing = {
            98: "connection_refused",
            198: "there is no such name",
            199: "tls_expired",
            298: "tls_hostname",
            299: "HTTP 503",
        }
        with pytest.raises(Failed, match="Not every website is up") as failed:
            asked([0, *failing]).check(1, 6)
        assert [why for why in failing.values() if why not in str(failed.value)] == []

    def test_redirects_and_plain_ones_are_up(self, asked):
        assert mix.kind_of(96) == "redirect"
        assert asked([90, 96]).check(1, 2) > 0

    def test_a_renewed_certificate_is_what_every_connection_gets(self, served, asked):
        web, _ = served
        before = serving._shown(web)
        serving.renew_certificates(web)
        assert serving._shown(web) != before
        assert asked(range(4)).check(1, 4) > 0

    def test_a_prober_that_ends_says_so(self, asked):
        prober = asked([0])
        with pytest.raises(Failed, match="The prober ended"):
            prober._told("end")


def compared(tree, against, blackbox=()):
    wanted = options.read(["--against", "191d99a"])
    return Compared(wanted, "OpenSSL", {AGAINST: against, TREE: tree, BLACKBOX: blackbox})


class TestReport:
    def test_the_ratio_is_that_of_the_medians(self):
        found = report.result(compared([500, 510, 900], [1000, 1020, 1010], [2000, 2000, 2000]))
        assert found["us"][TREE] == {"median": 510, "least": 500, "most": 900}
        assert found["ratio"][AGAINST]["of_medians"] == pytest.approx(510 / 1010, abs=1e-4)
        assert found["ratio"][BLACKBOX]["of_medians"] == 0.255
        json.dumps(found)

    def test_its_spread_is_round_by_round(self):
        pace = [1.0, 1.5, 2.0]  # a machine that becomes slower favours neither
        found = report.result(compared([50 * p for p in pace], [100 * p for p in pace]))
        assert (found["ratio"][AGAINST]["least"], found["ratio"][AGAINST]["most"]) == (0.5, 0.5)

    def test_what_is_not_installed_is_left_out(self):
        told = report.lines(compared([500.0], [1000.0]))
        assert told[-1] == "against 191d99a: 0.500 x (round by round 0.500 to 0.500)"
        assert not [line for line in told if BLACKBOX in line]


def test_a_directory_that_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must name a checkout"), run._source(str(tmp_path)):
        pass
