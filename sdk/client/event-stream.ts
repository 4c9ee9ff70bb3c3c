import { StringDecoder } from 'node:string_decoder';

/** One event of a `text/event-stream`, as the HTML standard defines it; comments never get here. */
export interface StreamEvent {
  readonly type: string;
  readonly id: string | undefined;
  readonly data: string;
}

/** A line that does not end by then is no event stream of ours. */
const maxLineLength = 16_777_216;

/** Splits bytes into events. An event whose blank line never came is dropped, as the standard asks. */
export async function* parseEventStream(bytes: AsyncIterable<Buffer>): AsyncGenerator<StreamEvent> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let type = 'message';
  let id: string | undefined;
  let data: string[] = [];
  for await (const chunk of bytes) {
    rest += decoder.write(chunk);
    if (rest.length > maxLineLength) throw new Error('A line of the event stream is too long');
    const lines = rest.split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { type, id, data: data.join('\n') };
        type = 'message';
        id = undefined;
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'data') data.push(value);
      else if (field === 'event') type = value;
      else if (field === 'id') id = value;
    }
  }
}
