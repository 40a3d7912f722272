export { VALID_DATASETS, oneByteMutants, type Mutant, type ValidDataset } from './mutants.ts';
