export { KEY_BUDGET_FIELDS, SCOPES, hashSecret, newSecret, parseKeyFile, type ApiKey, type Scope } from './key-file.ts';
