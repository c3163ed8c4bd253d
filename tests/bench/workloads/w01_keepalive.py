TITLE = "w1 TLS 1.3 keep-alive small GET over HTTP/1.1, 64 connections, 128-byte answers"
NOTE = "The relay carries the same requests without TLS: it is the floor. Limits and classification are on in sallyport."


def run(house):
    tls = [("sallyport", "plain", "sallyport"), ("sallyport", "silent", "sallyport, no log"),
           ("nginx", "plain", "nginx, no log"), ("nginx", "logged", "nginx"), ("haproxy", "plain", "HAProxy, no log")]
    pairs = [(house.start(name, setup, title=title), house.wrk()) for name, setup, title in tls]
    pairs.append((house.start("relay"), house.wrk(scheme="http")))
    return house.table(house.turns(pairs), "request", ["nginx, no log", "HAProxy, no log", "TCP relay"])
