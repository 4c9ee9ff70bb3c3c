const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads `30m`, `90s`, `500ms`, `2h` or `1d`. @throws Error that names the setting */
export function durationMs(setting: string, text: string): number {
  const [, count, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (count === undefined) throw new Error(`${setting} is "${text}"; write 30m, 90s, 500ms, 2h or 1d`);
  return Number(count) * unitsMs[unit as keyof typeof unitsMs];
}
