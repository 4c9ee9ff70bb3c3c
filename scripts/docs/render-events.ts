import { eventSchema, eventTypes } from '../../shared/contracts/events.ts';
import { eventMeanings } from './event-meanings.ts';
import { code, renderTable } from './markdown.ts';
import { schemaRows } from './schema-rows.ts';

/** The page of events, from the list of types. */
export function renderEvents(): string[] {
  return [
    '# Events',
    '',
    'Every change of state appends one event to a stream in Redis, in the same step as the change. `drover events -f` and',
    '`GET /v1/events` show them as they come; both go on after the id of the last one seen. Events hold no environment and no secrets.',
    '',
    '## Fields',
    '',
    ...renderTable(
      ['field', 'type', ''],
      schemaRows(eventSchema, { io: 'output' }).map(({ path, type, description }) => [
        code(path),
        path === 'type' ? 'one of the types below' : type,
        description,
      ]),
    ),
    '',
    '## Types',
    '',
    ...renderTable(
      ['type', 'when'],
      eventTypes.map((type) => [code(type), eventMeanings[type]]),
    ),
    '',
  ];
}
