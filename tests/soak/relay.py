"""A TCP relay between the program and a server: passes, delays, slows, holds or cuts connections."""
import socket
import struct
import threading
import time

CHUNK = 65_536


class Relay:
    """Relays connections on a free port to a server on this machine.

    `cut` resets all connections and refuses new ones; `hold` accepts connections and passes nothing, as a firewall that drops packets;
    `delay` is added to each chunk of data, in seconds; `rate` limits each direction of a connection, in bytes per second.
    """

    def __init__(self, port):
        self.target, self.mode, self.delay, self.rate = port, "pass", 0.0, None
        self.sockets, self.lock, self.accepted, self.closing = set(), threading.Lock(), 0, False

    def __enter__(self):
        self.listener = self.listen(0)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing = True
        self.cut()
        self.listener.close()

    @staticmethod
    def listen(port):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
        return listener

    def accept(self):
        while not self.closing:
            try:
                client, _ = self.listener.accept()
            except OSError:
                time.sleep(0.01)
                continue
            self.accepted += 1
            if self.mode == "cut":
                self.reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                self.reset(client)
                continue
            with self.lock:
                self.sockets |= {client, server}
            broken, ended = threading.Event(), []
            for one, other in ((client, server), (server, client)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pump, args=(one, other, broken, ended), daemon=True).start()

    def pump(self, source, target, broken, ended):
        """Passes data in one direction. Only this thread closes `source`: it may wait for its data."""
        try:
            while data := source.recv(CHUNK if self.rate is None else max(1, int(self.rate / 20))):
                while self.mode == "hold":
                    time.sleep(0.02)
                if self.delay:
                    time.sleep(self.delay)
                if self.rate:
                    time.sleep(len(data) / self.rate)
                target.sendall(data)
            if self.mode != "cut" and not broken.is_set():
                target.shutdown(socket.SHUT_WR)
                ended.append(source)
                if len(ended) == 2:
                    self.close(*ended)
                return
        except OSError:
            pass
        broken.set()
        self.wake(target)
        for connection in [source, *ended]:
            self.reset(connection)

    @staticmethod
    def wake(connection):
        """Ends the wait of the thread that reads from a connection, without a sign to its other end."""
        try:
            connection.shutdown(socket.SHUT_RD)
        except OSError:
            pass

    def close(self, *connections):
        with self.lock:
            self.sockets -= set(connections)
        for connection in connections:
            connection.close()

    def reset(self, connection):
        """Closes a connection with RST."""
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.close(connection)

    def cut(self):
        """Resets all connections, and new ones until `restore`."""
        self.mode = "cut"
        with self.lock:
            connections = list(self.sockets)
        for connection in connections:
            self.wake(connection)

    def hold(self):
        self.mode = "hold"

    def restore(self):
        self.mode = "pass"
