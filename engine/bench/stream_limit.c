/* The limit that `main.py bench stream` holds the engine against: accepts N WebSocket clients, then
 * HZ times a second writes one ready frame of SIZE bytes to each with a single send(), and nothing
 * else. It checks no token, reads nothing, and computes no handshake: limit N HZ SIZE; prints PORT. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char ACCEPTED[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int listening(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (server < 0 || bind(server, (struct sockaddr *)&at, length) || listen(server, 4096)) exit(1);
    getsockname(server, (struct sockaddr *)&at, &length);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return server;
}

static int accepted(int server) {
    char head[8192];
    size_t have = 0;
    int one = 1, client = accept(server, NULL, NULL);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (have < sizeof head - 1) {
        ssize_t got = recv(client, head + have, sizeof head - 1 - have, 0);
        if (got <= 0) exit(1);
        have += (size_t)got;
        head[have] = 0;
        if (strstr(head, "\r\n\r\n")) break;
    }
    send(client, ACCEPTED, sizeof ACCEPTED - 1, MSG_NOSIGNAL);
    return client;
}

/* Finish a frame that the socket took a part of, waiting for room as long as it takes. */
static void finish(int client, const unsigned char *rest, size_t size) {
    while (size) {
        struct pollfd room = {client, POLLOUT, 0};
        poll(&room, 1, 100);
        ssize_t sent = send(client, rest, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) return;
        if (sent > 0) rest += sent, size -= (size_t)sent;
    }
}

int main(int count, char **words) {
    if (count != 4) return 2;
    int clients = atoi(words[1]), size = atoi(words[3]), server = listening();
    double hz = atof(words[2]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int *client = malloc(sizeof(int) * (size_t)clients);
    for (int i = 0; i < clients; i++) client[i] = accepted(server);
    unsigned char *frame = calloc(1, (size_t)size + 4);
    frame[0] = 0x82, frame[1] = 126;
    frame[2] = (unsigned char)(size >> 8), frame[3] = (unsigned char)size;
    uint64_t next = now_ns();
    for (;;) {
        uint64_t t = now_ns();
        int alive = 0;
        memcpy(frame + 4 + 16, &t, sizeof t);
        for (int i = 0; i < clients; i++) {
            if (client[i] < 0) continue;
            ssize_t sent = send(client[i], frame, (size_t)size + 4, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent < 0 && errno != EAGAIN) {
                close(client[i]);
                client[i] = -1;
                continue;
            }
            alive++;
            if (sent > 0) finish(client[i], frame + sent, (size_t)(size + 4 - sent));
        }
        if (!alive) return 0;
        next += (uint64_t)(1e9 / hz);
        t = now_ns();
        if (next > t) {
            struct timespec pause = {(time_t)((next - t) / 1000000000u), (long)((next - t) % 1000000000u)};
            nanosleep(&pause, NULL);
        } else {
            next = t;
        }
    }
}
