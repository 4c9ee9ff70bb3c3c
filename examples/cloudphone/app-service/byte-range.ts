import type { ByteRange } from './store/store.ts';

/**
 * What a header `Range` asks of a content: the bytes, `all` where it is none that we serve (none, several, another unit: the
 * whole content is a correct answer), or `unsatisfiable`.
 */
export function readByteRange(header: string | undefined, sizeBytes: number): ByteRange | 'all' | 'unsatisfiable' {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (from === '' && to === '') return 'all';
  if (from === '') {
    const length = Number(to);
    return length === 0 ? 'unsatisfiable' : { first: Math.max(0, sizeBytes - length), last: sizeBytes - 1 };
  }
  const first = Number(from);
  const last = to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (to !== '' && Number(to) < first) return 'all';
  return first >= sizeBytes ? 'unsatisfiable' : { first, last };
}
