export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Reads `5555-6554`, both ends included. @throws Error that names the variable */
export function parsePortRange(name: string, text: string): PortRange {
  const [, from, to] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? [];
  const range = { from: Number(from), to: Number(to) };
  if (range.from >= 1 && range.from <= range.to && range.to <= 65_535) return range;
  throw new Error(`${name} is "${text}"; it must be two ports such as 5555-6554, the first not above the second`);
}
