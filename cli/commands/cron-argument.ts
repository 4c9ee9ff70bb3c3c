import { z } from 'zod';
import type { ArgumentDefinition } from '../command.ts';

export const cronArgument = {
  name: { form: '<name>', summary: 'Name of a job, as "drover cron ls" shows it', schema: z.string() },
} as const satisfies Record<string, ArgumentDefinition>;
