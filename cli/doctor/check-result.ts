/** One line of `drover doctor`. */
export interface CheckResult {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly name: string;
  readonly finding: string;
  /** What to do about it. */
  readonly fix?: string;
}
