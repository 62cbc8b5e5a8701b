# nginx of Debian with the brotli module; runs without root, so it listens on 8080 and 8443.
ARG BASE=debian:trixie-slim
FROM ${BASE}
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends brotli ca-certificates libnginx-mod-http-brotli-static nginx openssl \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc /usr/share/man /etc/nginx/sites-enabled /var/www \
    && usermod --uid 101 www-data && groupmod --gid 101 www-data
COPY nginx/ /etc/nginx/
COPY static/ /srv/static/
RUN find /srv/static -type f \( -name '*.css' -o -name '*.js' -o -name '*.svg' -o -name '*.json' \) \
    -exec gzip -9kn {} + -exec brotli --best --keep {} +
USER 101:101
EXPOSE 8080 8443
HEALTHCHECK --interval=10s --timeout=5s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8081 && printf 'GET /status HTTP/1.0\\r\\n\\r\\n' >&3 && head -1 <&3 | grep -q ' 200 '"]
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
