const { DROVER_SERVICE, DROVER_SLOT = '0', DROVER_NODE = 'local', DROVER_REVISION = '0' } = process.env;

/** Who answers: what `/health` of every service says, so that one can see which instance on which host it was. */
export function describeInstance(service: string) {
  return {
    status: 'ok',
    service: DROVER_SERVICE ?? service,
    instance: `instance-${DROVER_SLOT}`,
    host: DROVER_NODE,
    revision: Number(DROVER_REVISION),
  };
}
