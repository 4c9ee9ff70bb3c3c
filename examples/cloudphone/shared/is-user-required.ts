/**
 * Whether AUTH wants that each request says for whom it is. Anything but the two words is refused: a slip of the pen must
 * not open the service to everybody.
 * @throws Error
 */
export function isUserRequired({ AUTH = 'optional' }: Readonly<Record<string, string | undefined>>): boolean {
  if (AUTH !== 'optional' && AUTH !== 'required') throw new Error(`AUTH is "${AUTH}"; write optional or required`);
  return AUTH === 'required';
}
