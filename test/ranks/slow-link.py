"""A link of given delay between two network namespaces: two TUN interfaces, and each packet goes over after that time.

    ip netns exec A python3 slow-link.py A B MILLISECONDS     (10.78.0.1 in A, 10.78.0.2 in B; as root)

Prints "up" and runs until it is stopped. For kernels without netem.
"""
import ctypes
import fcntl
import heapq
import os
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
CLONE_NEWNET = 0x40000000


def open_end(namespace, address):
    with open(f"/var/run/netns/{namespace}") as entry:
        if ctypes.CDLL(None, use_errno=True).setns(entry.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"the namespace {namespace} cannot be entered")
    end = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", b"eb-slow", IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "addr", "add", f"{address}/24", "dev", "eb-slow"], check=True)
    subprocess.run(["ip", "link", "set", "eb-slow", "up"], check=True)
    return end


def main(first, second, milliseconds):
    ends = [open_end(first, "10.78.0.1"), open_end(second, "10.78.0.2")]
    waiting = []  # (when it arrives, number, to which end, packet)
    count = 0
    print("up", flush=True)
    while True:
        pause = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        for end in select.select(ends, [], [], pause)[0]:
            count += 1
            other = ends[1 - ends.index(end)]
            heapq.heappush(waiting, (time.monotonic() + milliseconds / 1000, count, other, os.read(end, 65536)))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(waiting)
            os.write(end, packet)


main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
