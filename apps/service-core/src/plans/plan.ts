export interface Plan {
  id: string;
  title: string;
  createdAt: string;
}
