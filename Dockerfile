# The worker and its commands, without the development tools, which stay in the first stage.

# The whole image, because it has the C compiler that the core is compiled with.
FROM python:3.13.5 AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# requirements.lock holds the development tools, too, and pip checks hashes only of a whole file.
# So every wheel of the lock is fetched and checked here, and the install below, which sees nothing
# but these wheels, takes of them what the project asks for (and what builds it).
COPY requirements.lock ./
RUN pip download --require-hashes --only-binary :all: -r requirements.lock -d /wheels

COPY pyproject.toml README.md hatch_build.py ./
COPY schemas schemas
COPY streams streams
RUN python -m venv /opt/returnwatch \
    && PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels /opt/returnwatch/bin/pip install . \
    && /opt/returnwatch/bin/pip uninstall --yes pip
# What could not be compiled would only be slow, which nobody sees.
WORKDIR /
RUN /opt/returnwatch/bin/python -c "from streams.core import compiled; assert compiled.is_there()"

FROM python:3.13.5-slim
COPY --from=build /opt/returnwatch /opt/returnwatch
ENV PATH=/opt/returnwatch/bin:$PATH PYTHONUNBUFFERED=1

# It writes nothing to the disk: state lives in Kafka. A number, so that Kubernetes can see that it
# is not root.
RUN useradd --system --uid 10001 --no-create-home returnwatch
USER 10001
WORKDIR /tmp

EXPOSE 6066
ENTRYPOINT ["returnwatch"]
CMD ["--help"]
