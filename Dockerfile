# The program and nothing beside it. What happens in each step is in .ci/image-steps.
#
#     docker build --build-arg LECTERN_REVISION=$(git rev-parse HEAD) -t lectern .
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY .ci/image-steps .ci/
RUN .ci/image-steps packages
# A layer of its own: as long as no manifest changes, the dependencies are not compiled again.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY bench/Cargo.toml bench/
RUN .ci/image-steps dependencies
COPY build.rs ./
COPY src src
COPY migrations migrations
# What lectern_build_info tells: the commit that the image is made of.
ARG LECTERN_REVISION
RUN .ci/image-steps program && .ci/image-steps lay-out image

FROM scratch
COPY --from=build /build/image/ /
# For sslmode=verify-full&sslrootcert=system, whose OpenSSL looks elsewhere by itself.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 10001:10001
EXPOSE 8080
# Asks /readyz, so a no means that no requests should be sent here, not that the program has to be started again.
# `jobs` listens on nothing: run it with --no-healthcheck.
HEALTHCHECK --interval=5s --timeout=6s --start-period=60s --retries=3 CMD ["/usr/local/bin/lectern", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/lectern"]
CMD ["serve"]
