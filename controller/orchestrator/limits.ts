/** The bounds within which the leader decides. Durations are measured by the leader's own monotonic clock. */
export interface Limits {
  /** Steps in one pass. Each is one write, so that a pass of this many takes well under a second. */
  readonly maxActions: number;
  /** A node whose heartbeat has not changed for this long gets no new instances: three beats of one second missed. */
  readonly disconnectedAfterMs: number;
  /** Then its slots are filled elsewhere: leaves 7 s of the promised 15 for the start of the replacement. */
  readonly lostAfterMs: number;
  /** After a new term or a return of the store no node is lost for this long: agents must first find their way back. */
  readonly lossGraceMs: number;
  /** When more nodes look lost than the brake allows, and at least one does not, they are held back this long. */
  readonly brakeHoldMs: number;
  /** First pause before a slot whose instance failed is filled again; doubles with each failure. */
  readonly backoffMs: number;
  /** The longest pause: a slot that fails for hours is still tried about once a minute. */
  readonly backoffLimitMs: number;
  /**
   * Failures of the infrastructure that weigh as much as one of the revision: a port that a stranger holds is a reason to
   * take the next port at once, but a host where every port is taken must not be asked for ever.
   */
  readonly freeRetries: number;
  /** Failures that ended longer ago no longer count for the pause. */
  readonly failureMemoryMs: number;
  /**
   * Artifact and dependencies of a revision on a host: the first `npm ci` there may take minutes. Longer than the agent
   * lets npm run, so that a deployment fails with what npm says.
   */
  readonly prepareDeadlineMs: number;
  /** What is added to the time after which a cut-off node stops a service by itself: two clocks may differ in rate. */
  readonly stopMarginMs: number;
}

export const defaultLimits: Limits = {
  maxActions: 100,
  disconnectedAfterMs: 3_000,
  lostAfterMs: 8_000,
  lossGraceMs: 10_000,
  brakeHoldMs: 60_000,
  backoffMs: 1_000,
  backoffLimitMs: 60_000,
  freeRetries: 3,
  failureMemoryMs: 600_000,
  prepareDeadlineMs: 20 * 60_000,
  stopMarginMs: 2_000,
};
