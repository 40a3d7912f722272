export { SCOPES, hashSecret, newSecret, parseKeyFile, type ApiKey, type Scope } from './key-file.ts';
