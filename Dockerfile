FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# docker build --build-arg VERSION=v1.2.3: without .git the build knows none.
ARG VERSION
RUN CGO_ENABLED=0 go build -ldflags="-s -w -X main.release=$VERSION" -o /out/hubgate ./cmd/hubgate
RUN mkdir -p /out/data

# Nothing but the program and the certificate authorities that webhooks are checked against.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/hubgate /hubgate
# For a volume, if HUBGATE_DATA_DIR=/data says that something is kept.
COPY --from=build --chown=65532:65532 /out/data /data
# A settings.json that is mounted here is read and followed.
WORKDIR /config
# In a container localhost is nobody's: listen on all addresses. That needs an
# access key of one's own in HUBGATE_ACCESS_KEY.
ENV HUBGATE_LISTEN=:8888 HUBGATE_ADMIN_LISTEN=:8889
EXPOSE 8888 8889
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["/hubgate", "health"]
ENTRYPOINT ["/hubgate"]
