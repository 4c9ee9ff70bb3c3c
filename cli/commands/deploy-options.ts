import { z } from 'zod';
import type { ArgumentDefinition, OptionDefinition } from '../command.ts';
import { commaList, flag, text } from '../option-types.ts';

/** What `plan` and `deploy` have in common: which file, and what of it. */
export const fileArgument = {
  file: {
    form: '[file]',
    summary: 'Ecosystem file, or a directory with one (default: ecosystem.config.{js,cjs,mjs,json,yaml,yml} here)',
    schema: text,
  },
} as const satisfies Record<string, ArgumentDefinition>;

export const fileOptions = {
  env: { flags: '--env <name>', summary: 'Lay env_<name> over env in each app', schema: text },
  only: {
    flags: '--only <names>',
    summary: 'Only these services of the file, separated by commas',
    schema: commaList.optional(),
  },
  includeModules: {
    flags: '--include-modules',
    summary: 'Pack node_modules too, as dependencies: "shipped" does',
    schema: flag,
  },
} as const satisfies Record<string, OptionDefinition>;

export const serviceArgument = {
  service: { form: '<service>', summary: 'Name of a service', schema: z.string() },
} as const satisfies Record<string, ArgumentDefinition>;

export const servicesArgument = {
  services: { form: '<services...>', summary: 'Names of services, or "all"', schema: z.array(z.string()).min(1) },
} as const satisfies Record<string, ArgumentDefinition>;
