// A reporter of node:test that names the files with a test that failed, one a line.

import type { TestEvent } from 'node:test/reporters';

export default async function* failedFiles(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const named = new Set<string>();
  for await (const event of events) {
    if (event.type !== 'test:fail' || event.data.todo !== undefined) continue;
    const file = event.data.file ?? event.data.name;
    if (named.has(file)) continue;
    named.add(file);
    yield `${file}\n`;
  }
}
